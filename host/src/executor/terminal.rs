//! A terminal of the host's own making, between a child and whoever watches it.
//!
//! Both ends are raw: what an engine's client writes comes out as it is, to be redacted, and what the caller types goes
//! in as it is; the terminal that edits lines is the one inside the container. It is nobody's controlling terminal, so
//! no key of the caller's becomes a signal on this side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::spec::WindowSize;

/// Both ends.
pub(super) struct Terminal {
    host: OwnedFd,
    child: OwnedFd,
}

impl Terminal {
    /// A new one, of the default size.
    pub(super) fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let host = openpt(flags)?;
        unlockpt(&host)?;
        // By the descriptor: no name in /dev/pts is looked up, whatever is mounted there.
        let child = ioctl_tiocgptpeer(&host, flags)?;
        let mut modes = tcgetattr(&child)?;
        modes.make_raw();
        tcsetattr(&child, OptionalActions::Now, &modes)?;
        ioctl_fionbio(&host, true)?;
        resize(host.as_fd(), WindowSize::default())?;
        Ok(Self { host, child })
    }

    /// The child's end, for one of its descriptors.
    pub(super) fn child(&self) -> io::Result<OwnedFd> {
        self.child.try_clone()
    }

    /// The host's end; the child's is closed on this side.
    pub(super) fn into_host(self) -> OwnedFd {
        self.host
    }
}

/// Sets how large the one at this end is.
pub(super) fn resize(host: BorrowedFd<'_>, size: WindowSize) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(host, size)?)
}
