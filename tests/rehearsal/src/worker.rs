//! A container's own process: the words of the built-in image, in a world made of the container's record.
//!
//! Nothing of an image's content is executed. There is no root file system: a path inside a mount is the source's,
//! any other lies in a folder of the container's own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::container::{Container, Phase, Place};
use crate::deckhand;
use crate::dialect::Dialect;
use crate::spec::{Mount, Port};
use crate::state::{self, State};

/// The worker's whole life.
pub(crate) fn run(root: &Path, id: &str, dialect: Dialect) -> io::Result<i32> {
    // A supervisor that is killed takes its container with it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let state = State::open(root, dialect.word())?;
    let place = Place::of(&state, id);
    let container = place.container()?;
    let words: Vec<OsString> =
        container.entrypoint.iter().chain(&container.words).skip(1).map(OsString::from).collect();
    // What it listened on in an earlier life.
    let _ = std::fs::remove_dir_all(place.listening());
    let mut ship = Ship::of(place)?;
    ship.prepare()?;
    let _ = std::fs::remove_file(ship.place.ignores_term());
    Ok(deckhand::run(words, &mut ship))
}

/// The life of a command in a container that runs: `WORKDIR USER PROGRAM WORDS…`, with its own variables as those of this
/// process. Like the real ones, it outlives the client that started it.
pub(crate) fn exec(root: &Path, id: &str, dialect: Dialect, words: &[String]) -> io::Result<i32> {
    rustix::process::setsid()?;
    let state = State::open(root, dialect.word())?;
    let place = Place::of(&state, id);
    let mut ship = Ship::of(place)?;
    let [workdir, user, _, words @ ..] = words else { return Err(io::ErrorKind::InvalidInput.into()) };
    for (name, value) in std::env::vars().filter(|(name, _)| name != crate::VARIABLE) {
        ship.container.env.retain(|pair| pair.split_once('=').is_none_or(|(known, _)| known != name));
        ship.container.env.push(format!("{name}={value}"));
    }
    let given = |text: &String, own: &mut String| (!text.is_empty()).then(|| own.clone_from(text));
    given(workdir, &mut ship.container.workdir);
    given(user, &mut ship.container.user);
    ship.container.spec.terminal = false;
    ship.crashed = 134;
    Ok(deckhand::run(words.iter().map(OsString::from), &mut ship))
}

/// Where a path inside a container lies.
pub(crate) fn lies_at(place: Place<'_>, inside: &str) -> io::Result<PathBuf> {
    let ship = Ship::of(place)?;
    ship.prepare()?;
    Ok(deckhand::World::path(&ship, OsStr::new(inside)))
}

/// Has words said in the world of a container that runs, without its output; the status they end with.
pub(crate) fn ask(place: &Place<'_>, words: &[String]) -> io::Result<i32> {
    let nowhere = || std::fs::OpenOptions::new().write(true).open("/dev/null");
    let (stdout, stderr) = (nowhere()?, nowhere()?);
    let mut ship = Ship { stdout, stderr, ..Ship::of(place.clone())? };
    match words.split_first() {
        Some((program, words)) if program.rsplit('/').next() == Some("deckhand") => {
            Ok(deckhand::run(words.iter().map(OsString::from), &mut ship))
        }
        _ => Ok(127),
    }
}

/// The world of one container.
struct Ship<'s> {
    state: &'s State,
    place: Place<'s>,
    container: Container,
    ports: Vec<Port>,
    stdin: File,
    stdout: File,
    stderr: File,
    /// What a crash ends with: the kernel spares the first process of a container the SIGABRT.
    crashed: i32,
}

impl<'s> Ship<'s> {
    fn of(place: Place<'s>) -> io::Result<Self> {
        Ok(Self {
            state: place.state,
            ports: place.status()?.ports,
            stdin: File::from(io::stdin().as_fd().try_clone_to_owned()?),
            stdout: File::from(io::stdout().as_fd().try_clone_to_owned()?),
            stderr: File::from(io::stderr().as_fd().try_clone_to_owned()?),
            container: place.container()?,
            place,
            crashed: 139,
        })
    }
}

impl Ship<'_> {
    /// Makes the folders that mounts without a source, and the container itself, write to.
    fn prepare(&self) -> io::Result<()> {
        for mount in self.container.spec.mounts.iter().filter(|mount| mount.kind != "bind") {
            state::create_directory(&self.source(mount))?;
        }
        state::create_directory(&self.root().join("tmp"))
    }

    fn root(&self) -> PathBuf {
        self.place.directory.join("root")
    }

    fn source(&self, mount: &Mount) -> PathBuf {
        match mount.kind.as_str() {
            "bind" => PathBuf::from(&mount.source),
            "volume" if !mount.source.is_empty() => self.place.volume(&mount.source),
            _ => self.place.directory.join("tmpfs").join(below(Path::new(&mount.target))),
        }
    }

    /// The container whose network it has: its own, or the one that it joined.
    fn berth(&self) -> io::Result<Container> {
        match self.container.spec.network.strip_prefix("container:") {
            None => Ok(self.container.clone()),
            Some(id) => Place::of(self.state, id).container(),
        }
    }

    /// The containers that have the same network.
    fn crew(&self, berth: &str) -> io::Result<Vec<String>> {
        let shares = |container: &Container| {
            container.id == berth || container.spec.network.strip_prefix("container:") == Some(berth)
        };
        Ok(Place::all(self.state)?.into_iter().filter(|(_, one)| shares(one)).map(|(place, _)| place.id).collect())
    }

    /// The running containers that share a network with it, and itself.
    fn neighbours(&self) -> io::Result<Vec<(Place<'_>, Container)>> {
        let own = self.berth()?.spec.networks;
        let is_near = |container: &Container| container.spec.networks.iter().any(|name| own.contains(name));
        let runs = |place: &Place<'_>| place.status().is_ok_and(|status| status.phase == Phase::Running);
        let all = Place::all(self.state)?.into_iter();
        Ok(all.filter(|(place, container)| place.id == self.place.id || (is_near(container) && runs(place))).collect())
    }

    /// The containers behind a name or an address.
    fn behind(&self, host: &str) -> io::Result<Vec<String>> {
        if host == "127.0.0.1" || host == "localhost" {
            return self.crew(&self.berth()?.id);
        }
        let known = |(place, container): &(Place<'_>, Container)| {
            container.name == host || address_of(&place.id).to_string() == host
        };
        let mut found = Vec::new();
        for (place, _) in self.neighbours()?.iter().filter(|one| known(one)) {
            found.extend(self.crew(&place.id)?);
        }
        Ok(found)
    }

    /// The mount that a path lies in (the deepest one), and the path below its target.
    fn mounted(&self, inside: &Path) -> Option<(PathBuf, PathBuf)> {
        let mounts = self.container.spec.mounts.iter();
        let under = mounts.filter_map(|mount| Some((mount, inside.strip_prefix(&mount.target).ok()?)));
        let (mount, rest) = under.max_by_key(|(mount, _)| mount.target.len())?;
        Some((self.source(mount), rest.to_owned()))
    }
}

/// An address that no other container is likely to have.
fn address_of(id: &str) -> IpAddr {
    let digits = id.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or_default();
    let [high, low] = digits.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 89, high, low))
}

/// Without the slash at the beginning, and without steps upwards.
fn below(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect()
}

impl deckhand::World for Ship<'_> {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let pairs = self.container.env.iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stdin(&mut self) -> &mut dyn Read {
        &mut self.stdin
    }

    fn terminal(&self) -> Option<(u16, u16)> {
        // What a container prints goes to its log: of its terminal there is no more than the word.
        let played = self.container.spec.terminal.then_some((24, 80));
        rustix::termios::tcgetwinsize(&self.stdout).ok().map(|size| (size.ws_row, size.ws_col)).or(played)
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn path(&self, inside: &OsStr) -> PathBuf {
        let inside = Path::new(&self.container.workdir).join(inside);
        match self.mounted(&inside) {
            Some((source, rest)) if rest.as_os_str().is_empty() => source,
            Some((source, rest)) => source.join(below(&rest)),
            None => self.root().join(below(&inside)),
        }
    }

    fn directory(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from(&self.container.workdir))
    }

    fn identity(&self) -> io::Result<String> {
        let (user, group) = self.container.user.split_once(':').unwrap_or((&self.container.user, "0"));
        let number = |name: &str| if name.is_empty() || name == "root" { "0".to_owned() } else { name.to_owned() };
        Ok(format!("uid={} gid={} groups={}", number(user), number(group), number(group)))
    }

    fn sleep(&mut self, time: Duration) -> Option<i32> {
        std::thread::sleep(time);
        None
    }

    /// On the host's side of a published port; on any free port of loopback where it is not published.
    fn listen(&mut self, port: u16) -> io::Result<TcpListener> {
        let berth = self.berth()?;
        let theirs =
            if berth.id == self.place.id { None } else { Some(Place::of(self.state, &berth.id).status()?.ports) };
        let published = theirs
            .as_ref()
            .unwrap_or(&self.ports)
            .iter()
            .find(|known| known.container == port && known.protocol == "tcp");
        let listener = match published {
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
            Some(Port { address, host, .. }) => {
                TcpListener::bind((address.parse::<IpAddr>().unwrap_or(Ipv4Addr::UNSPECIFIED.into()), *host))
            }
        }?;
        // Where its neighbours find it.
        state::create_directory(&self.place.listening())?;
        let real = listener.local_addr()?.to_string();
        state::write(&self.place.listening().join(port.to_string()), real.as_bytes())?;
        Ok(listener)
    }

    fn lookup(&self, name: &str) -> io::Result<Option<IpAddr>> {
        let known = self.neighbours()?.into_iter().find(|(_, container)| container.name == name);
        let has_server = !self.berth()?.spec.networks.is_empty();
        Ok(known.filter(|_| has_server).map(|(place, _)| address_of(&place.id)))
    }

    fn reach(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        for id in self.behind(host)? {
            let place = Place::of(self.state, &id);
            if let Ok(real) = std::fs::read_to_string(place.listening().join(port.to_string())) {
                return TcpStream::connect(real);
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    /// Noted where `stop` and `kill` look before they send: a handler would take unsafe code.
    fn ignore_term(&mut self) -> io::Result<()> {
        state::write(&self.place.ignores_term(), b"")
    }

    fn crash(&mut self) -> i32 {
        self.crashed
    }
}
