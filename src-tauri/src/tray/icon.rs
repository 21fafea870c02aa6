//! The tray's picture: the mark of the product, and a dot for the mood.

use tauri::image::Image;

use super::menu::Mood;

/// Pixels of a side.
const SIDE: u32 = 64;
/// Middle and radius of the dot, at the lower right.
const MIDDLE: f32 = 47.0;
const RADIUS: f32 = 14.0;
/// The gap around the dot that keeps it apart from the mark.
const GAP: f32 = 4.0;

/// The picture for a mood.
pub(crate) fn drawn(mood: Mood) -> Image<'static> {
    let mark = tauri::include_image!("../icons/tray.png");
    let mut pixels = mark.rgba().to_vec();
    if let Some(colour) = colour(mood) {
        paint(&mut pixels, colour);
    }
    Image::new_owned(pixels, SIDE, SIDE)
}

/// Colours that stand out on light and on dark panels.
fn colour(mood: Mood) -> Option<[u8; 3]> {
    match mood {
        Mood::Idle => None,
        Mood::Good => Some([0x3f, 0xb9, 0x50]),
        Mood::Busy => Some([0x58, 0x8c, 0xff]),
        Mood::Troubled => Some([0xe3, 0xa0, 0x08]),
        Mood::Failed => Some([0xe5, 0x48, 0x4d]),
    }
}

fn paint(pixels: &mut [u8], colour: [u8; 3]) {
    let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    for (pixel, (x, y)) in pixels.chunks_exact_mut(4).zip(places) {
        let [red, green, blue, alpha] = pixel else { continue };
        let away = (centre(x) - MIDDLE).hypot(centre(y) - MIDDLE);
        let dot = covered(RADIUS - away);
        let kept = 1.0 - covered(RADIUS + GAP - away);
        for (channel, colour) in [red, green, blue].into_iter().zip(colour) {
            if dot > 0.0 {
                *channel = colour;
            }
        }
        *alpha = shade(f32::from(*alpha) / 255.0 * kept + dot);
    }
}

/// How much of a pixel lies inside an edge that is `inside` pixels away.
fn covered(inside: f32) -> f32 {
    (inside + 0.5).clamp(0.0, 1.0)
}

fn centre(place: u32) -> f32 {
    f32::from(u16::try_from(place).unwrap_or(u16::MAX)) + 0.5
}

fn shade(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mood_has_a_picture_of_its_own() {
        let moods = [Mood::Idle, Mood::Good, Mood::Busy, Mood::Troubled, Mood::Failed];
        let pictures: Vec<_> = moods.iter().map(|mood| drawn(*mood).rgba().to_vec()).collect();
        for (index, picture) in pictures.iter().enumerate() {
            assert_eq!(picture.len(), 64 * 64 * 4);
            assert!(!pictures[..index].contains(picture));
        }
    }

    #[test]
    fn the_dot_is_opaque_in_its_middle() {
        let picture = drawn(Mood::Good);
        let at = (47 * 64 + 47) * 4;
        assert_eq!(picture.rgba()[at..at + 4], [0x3f, 0xb9, 0x50, 0xff]);
    }
}
