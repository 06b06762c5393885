//! Children that do not outlive whoever needs them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A thread that starts children. The kernel kills them when the thread that started them ends, so it must be one
/// that lives as long as they: not that of the test which needed it first.
pub(super) struct Nursery {
    orders: Sender<(Command, Sender<io::Result<Child>>)>,
}

/// A command to start, and where its child goes.
type Order = (Command, Sender<io::Result<Child>>);

impl Nursery {
    pub(super) fn open() -> Self {
        let (orders, inbox): (_, Receiver<Order>) = channel();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                command.process_group(0);
                #[expect(unsafe_code, reason = "only between fork and exec can a child ask to die with its parent")]
                // SAFETY: prctl is safe to call between fork and exec, and nothing is allocated.
                unsafe {
                    command.pre_exec(|| {
                        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                            Ok(())
                        } else {
                            Err(io::Error::last_os_error())
                        }
                    });
                }
                let _ = answer.send(command.spawn());
            }
        });
        Self { orders }
    }

    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, child) = channel();
        self.orders.send((command, answer)).map_err(io::Error::other)?;
        child.recv().map_err(io::Error::other)?
    }
}
