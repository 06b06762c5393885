//! A TCP proxy that can lose, hold and delay what passes, in one direction or both, cut every line, and look at the
//! requests of Kafka's protocol one by one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// How often a waiting line looks whether it was cut.
const LOOK: Duration = Duration::from_millis(20);

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Pass,
    /// They wait, and arrive when the course changes.
    Hold,
    /// They are gone; a line that lost some is cut when the course changes.
    Lose,
    /// They arrive so much later.
    Delay(Duration),
}

/// What happens to one request of Kafka's protocol.
pub(crate) enum Verdict {
    Pass,
    /// It does not arrive, and the client's line is cut.
    Swallow,
    /// It does not arrive, and nobody says so.
    Lose,
    /// It does not arrive, and is answered with this, length included.
    Answer(Vec<u8>),
}

/// Looks at one request, without its length.
type Look = Box<dyn FnMut(&[u8]) -> Verdict + Send>;

/// From the client to the server, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    look: Mutex<Option<Look>>,
}

struct State {
    /// 0 until it is known.
    target: u16,
    there: Course,
    back: Course,
    refuse: bool,
    /// Lines of an earlier generation are dead.
    generation: u64,
}

impl Proxy {
    /// Listens, and leads nowhere yet.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { target: 0, there: Course::Pass, back: Course::Pass, refuse: false, generation: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), look: Mutex::new(None) });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        // It lives as long as the process: nothing else would wake it.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(client));
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn lead_to(&self, target: u16) {
        self.shared.change(|state| state.target = target);
    }

    /// Shows every request of the clients to `look`. Only for Kafka's protocol.
    pub(crate) fn watch(&self, look: impl FnMut(&[u8]) -> Verdict + Send + 'static) {
        *self.shared.look.lock().unwrap() = Some(Box::new(look));
        // What is already open was not read request by request.
        self.shared.change(|state| state.generation += 1);
    }

    pub(crate) fn set(&self, there: Course, back: Course) {
        self.shared.change(|state| (state.there, state.back) = (there, back));
    }

    /// Ends every line and refuses new ones.
    pub(crate) fn cut(&self) {
        self.shared.change(|state| {
            state.refuse = true;
            state.generation += 1;
        });
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        self.shared.change(|state| {
            (state.there, state.back) = (Course::Pass, Course::Pass);
            state.refuse = false;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Sends one request, length included, over a line of its own, and returns the answer without its length.
pub(crate) fn ask(port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut line = TcpStream::connect(("127.0.0.1", port))?;
    line.set_read_timeout(Some(Duration::from_secs(30)))?;
    line.write_all(request)?;
    let mut length = [0; 4];
    line.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    line.read_exact(&mut answer)?;
    Ok(answer)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn serve(self: Arc<Self>, client: TcpStream) {
        let (target, generation) = {
            let state = self.state();
            if state.refuse || state.target == 0 {
                return;
            }
            (state.target, state.generation)
        };
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
        let pair = |one: &TcpStream, other: &TcpStream| Some((one.try_clone().ok()?, other.try_clone().ok()?));
        let (Some(there), Some(back)) = (pair(&client, &server), pair(&server, &client)) else { return };
        let shared = Arc::clone(&self);
        let returning = thread::spawn(move || shared.carry(Way::Back, generation, back.0, back.1));
        self.carry(Way::There, generation, there.0, there.1);
        let _ = returning.join();
    }

    /// Until one side ends or the line is cut; then both sides are ended.
    fn carry(&self, way: Way, generation: u64, mut from: TcpStream, mut to: TcpStream) {
        let _ = from.set_nodelay(true);
        let _ = to.set_nodelay(true);
        let _ = from.set_read_timeout(Some(LOOK));
        let mut buffer = vec![0; 64 * 1024];
        let mut request = Vec::new();
        let mut lost = false;
        loop {
            if self.state().generation != generation {
                break;
            }
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if lost && self.course(way) != Course::Lose {
                        break;
                    }
                    continue;
                }
                Err(_) => break,
            };
            match self.wait(way, generation) {
                Some(Course::Lose) => {
                    lost = true;
                    continue;
                }
                Some(_) if lost => break,
                Some(_) => {}
                None => break,
            }
            let watched = way == Way::There && self.look.lock().unwrap().is_some();
            let carried = if watched {
                request.extend_from_slice(&buffer[..count]);
                self.inspect(&mut request, &mut from, &mut to)
            } else {
                to.write_all(&buffer[..count])
            };
            if carried.is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn course(&self, way: Way) -> Course {
        let state = self.state();
        match way {
            Way::There => state.there,
            Way::Back => state.back,
        }
    }

    /// Waits while the course says so; `None` = the line was cut.
    fn wait(&self, way: Way, generation: u64) -> Option<Course> {
        let mut state = self.state();
        loop {
            if state.generation != generation {
                return None;
            }
            let course = if way == Way::There { state.there } else { state.back };
            match course {
                Course::Hold => state = self.changed.wait_timeout(state, LOOK).unwrap().0,
                Course::Delay(time) => {
                    drop(state);
                    thread::sleep(time);
                    return Some(course);
                }
                Course::Pass | Course::Lose => return Some(course),
            }
        }
    }

    /// Passes on, or not, each whole request that has arrived.
    fn inspect(&self, arrived: &mut Vec<u8>, client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
        while let Some(length) = arrived.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize + 4) {
            if arrived.len() < length {
                break;
            }
            let request: Vec<u8> = arrived.drain(..length).collect();
            let verdict = match self.look.lock().unwrap().as_mut() {
                Some(look) => look(&request[4..]),
                None => Verdict::Pass,
            };
            match verdict {
                Verdict::Pass => server.write_all(&request)?,
                Verdict::Lose => {}
                Verdict::Swallow => return Err(io::Error::other("swallowed")),
                Verdict::Answer(answer) => client.write_all(&answer)?,
            }
        }
        Ok(())
    }
}
