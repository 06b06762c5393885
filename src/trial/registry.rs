//! One Apicurio Registry as a child process, on the loopback interface, with and without TLS. It keeps its schemas in
//! memory: at its end they are gone, and whoever registers them again in the same order gets the same ids.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::nursery::Nursery;
use super::place::free_ports;

/// How long it may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

const JVM: [&str; 4] = ["-Xms32m", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Of a key that lives as long as a test.
const PASSWORD: &str = "changeit";

/// Apicurio Registry, unpacked.
#[derive(Debug, Clone)]
pub struct Program {
    jar: PathBuf,
}

/// Why there is no registry.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// It was not fetched.
    #[error("no Apicurio Registry in {folder}; run tests/registry/fetch", folder = folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file or a process could not be made.
    #[error("the registry's files or process")]
    Io(#[from] io::Error),
    /// `keytool`, which comes with Java, made no certificate.
    #[error("keytool made no certificate: {0}")]
    Certificate(String),
    /// It ended, or does not answer.
    #[error("the registry does not come up; see {log}", log = log.display())]
    Silent {
        /// What it said.
        log: PathBuf,
    },
}

impl Program {
    /// The one in the folder that `REGISTRY_APP` names, or that `tests/registry/fetch` has put into `.cache/registry`.
    ///
    /// # Errors
    /// When there is none.
    pub fn find() -> Result<Self, RegistryError> {
        #[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the service")]
        let named = std::env::var_os("REGISTRY_APP").map(PathBuf::from);
        let fetched = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/registry/app");
        let folder = named.unwrap_or_else(fetched);
        let files = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let jar = files.into_iter().find(|path| path.to_string_lossy().ends_with("-runner.jar"));
        jar.map(|jar| Self { jar }).ok_or(RegistryError::Missing { folder })
    }
}

/// A running registry. Dropped, it is killed.
pub struct Registry {
    port: u16,
    tls_port: u16,
    authority: PathBuf,
    child: Child,
    // Its end would be the child's.
    _nursery: Nursery,
}

impl Registry {
    /// Starts one with its files in `folder`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(program: &Program, folder: &Path) -> Result<Self, RegistryError> {
        let (keys, authority) = certificate(folder)?;
        let ports = free_ports(2)?;
        let log = folder.join("registry.log");
        let out = File::options().append(true).create(true).open(&log)?;
        let mut java = Command::new("java");
        java.args(JVM)
            .arg("-Dquarkus.http.host=127.0.0.1")
            .arg(format!("-Dquarkus.http.port={}", ports[0]))
            .arg(format!("-Dquarkus.http.ssl-port={}", ports[1]))
            .arg(format!("-Dquarkus.http.ssl.certificate.key-store-file={}", keys.display()))
            .arg(format!("-Dquarkus.http.ssl.certificate.key-store-password={PASSWORD}"))
            .arg("-jar")
            .arg(&program.jar)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let nursery = Nursery::open();
        let child = nursery.spawn(java)?;
        let mut registry = Self { port: ports[0], tls_port: ports[1], authority, child, _nursery: nursery };
        let began = Instant::now();
        // It opens its ports when it is ready to answer.
        while TcpStream::connect(("127.0.0.1", registry.tls_port)).is_err() {
            if registry.child.try_wait()?.is_some() || began.elapsed() > READY_WITHIN {
                return Err(RegistryError::Silent { log });
            }
            thread::sleep(LOOK);
        }
        Ok(registry)
    }

    /// Where it speaks Confluent's API in the clear.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{API}", self.port)
    }

    /// The same with TLS, by [`Self::authority`].
    pub fn tls_url(&self) -> String {
        format!("https://127.0.0.1:{}{API}", self.tls_port)
    }

    /// Its port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with the certificate that vouches for it.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Where Apicurio has Confluent's API.
pub const API: &str = "/apis/ccompat/v7";

/// A key for 127.0.0.1, and the certificate that vouches for it.
fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf), RegistryError> {
    let (keys, authority) = (folder.join("registry.p12"), folder.join("registry.pem"));
    if !keys.exists() {
        let made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=registry", "-ext", "san=ip:127.0.0.1"];
        keytool(&keys, &made)?;
        fs::write(&authority, keytool(&keys, &["-exportcert", "-rfc"])?)?;
    }
    Ok((keys, authority))
}

fn keytool(keys: &Path, arguments: &[&str]) -> Result<Vec<u8>, RegistryError> {
    let mut keytool = Command::new("keytool");
    keytool.args(arguments).args(["-alias", "registry", "-storetype", "PKCS12", "-storepass", PASSWORD]);
    let output = keytool.arg("-keystore").arg(keys).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(RegistryError::Certificate(String::from_utf8_lossy(&output.stdout).into_owned()))
}
