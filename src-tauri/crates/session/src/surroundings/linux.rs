//! Linux tells both by itself: a timer that is cancelled when the clock jumps, which resuming
//! from sleep makes it do, and the kernel's routing socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe;

use super::{Routes, Surroundings};
use crate::clock::Reading;

/// Far enough to never come, near enough for every kernel's arithmetic: the year 2200.
const NEVER_SECS: i64 = 7_258_118_400;
/// A change of network is several messages; they are over by then.
const SETTLE: Duration = Duration::from_millis(200);
/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`,
/// `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Reports every wake; returns only when the kernel has no such timer.
pub(super) async fn watch_sleep(surroundings: &Surroundings) -> io::Result<()> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
    arm(&timer)?;
    let timer = readable(timer)?;
    let mut before = Reading::take();
    loop {
        timer.readable().await?;
        match timer.try_read(&mut [0; 8]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) if error.raw_os_error() != Some(Errno::CANCELED.raw_os_error()) => {
                return Err(error);
            }
            Ok(_) | Err(_) => arm(&timer)?,
        }
        surroundings.compare_sleep(&mut before);
    }
}

fn arm(timer: &impl AsFd) -> io::Result<()> {
    let never = Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: Timespec { tv_sec: NEVER_SECS, tv_nsec: 0 },
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &never)?;
    Ok(())
}

/// Reports every change of the way out; returns only when the kernel does not tell of them.
pub(super) async fn watch_network(surroundings: &Surroundings) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    // Protocol 0 of this family is the routing one.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    let socket = readable(socket)?;
    let mut before = Routes::look();
    loop {
        drain(&socket).await?;
        // Looking at once tells of a lost network; looking again tells of the one that replaced
        // it, even when that has the same address.
        surroundings.compare_network(&mut before);
        tokio::time::sleep(SETTLE).await;
        surroundings.compare_network(&mut before);
    }
}

/// Waits for a message and takes all there are: what they say is found by looking.
async fn drain(socket: &pipe::Receiver) -> io::Result<()> {
    socket.readable().await?;
    let mut message = [0; 4096];
    loop {
        match socket.try_read(&mut message) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // NOBUFS: messages were lost, which is news all the same.
            Err(error) if error.raw_os_error() != Some(Errno::NOBUFS.raw_os_error()) => {
                return Err(error);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Any descriptor that is read like a pipe may stand where tokio wants a pipe's end.
fn readable(descriptor: OwnedFd) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd_unchecked(descriptor)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Polls once: a watch that is set up waits, one that is not returns its error.
    async fn is_waiting(watch: impl Future<Output = io::Result<()>>) -> bool {
        let mut watch = pin!(watch);
        poll_fn(|cx| Poll::Ready(watch.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn this_kernel_has_both_kinds_of_events() {
        let surroundings = Surroundings::new();
        assert!(is_waiting(watch_sleep(&surroundings)).await);
        assert!(is_waiting(watch_network(&surroundings)).await);
    }
}
