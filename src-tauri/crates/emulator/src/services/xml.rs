//! A small XML writer for the Query services.

use std::fmt::Write as _;

/// A document being written. Elements are closed by construction.
pub(crate) struct Xml {
    text: String,
}

impl Xml {
    /// Writes a document whose root element is `root`, with `namespace` when there is one.
    pub(crate) fn document(
        root: &str,
        namespace: Option<&str>,
        content: impl FnOnce(&mut Self),
    ) -> String {
        let mut xml = Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() };
        match namespace {
            Some(namespace) => {
                let _ = write!(xml.text, "<{root} xmlns=\"{namespace}\">");
            }
            None => {
                let _ = write!(xml.text, "<{root}>");
            }
        }
        content(&mut xml);
        let _ = write!(xml.text, "</{root}>");
        xml.text
    }

    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let _ = write!(self.text, "<{name}>");
        content(self);
        let _ = write!(self.text, "</{name}>");
    }

    pub(crate) fn text(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if value.is_empty() {
            let _ = write!(self.text, "<{name}/>");
            return;
        }
        let _ = write!(self.text, "<{name}>");
        for letter in value.chars() {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                other => self.text.push(other),
            }
        }
        let _ = write!(self.text, "</{name}>");
    }

    /// Writes a list in EC2's manner: every member is an `item`.
    pub(crate) fn items<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for value in values {
                xml.element("item", |xml| each(xml, value));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_elements_are_closed() {
        let written = Xml::document("Root", Some("urn:x"), |xml| {
            xml.text("a", "1 < 2 & \"3\" > 2");
            xml.text("none", "");
            xml.items("list", ["x", "y"], |xml, value| xml.text("v", value));
        });
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"urn:x\">\
             <a>1 &lt; 2 &amp; &quot;3&quot; &gt; 2</a><none/>\
             <list><item><v>x</v></item><item><v>y</v></item></list></Root>"
        );
    }
}
