//! A bureau of the demonstration's own: the `bureau` program that lies beside this one, on loopback.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A bureau that is running. Stops when dropped.
pub struct Bureau {
    program: PathBuf,
    folder: PathBuf,
    server: Child,
    /// Where it listens, `https://127.0.0.1:…`.
    pub url: String,
}

impl Bureau {
    /// Sets one up in `folder` and starts it.
    pub fn start(program: Option<&Path>, folder: &Path) -> Result<Bureau> {
        let beside = std::env::current_exe()?.with_file_name("bureau");
        let program = program.map_or(beside, Path::to_owned);
        anyhow::ensure!(program.is_file(), "there is no {}; `make build` makes it", program.display());
        let made = Command::new(&program).args(["init", "--name", "bureau/demo", "--dir"]).arg(folder).output()?;
        anyhow::ensure!(made.status.success(), "bureau init: {}", String::from_utf8_lossy(&made.stderr).trim());
        let mut server = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let output = server.stdout.take().context("the bureau's output")?;
        let mut lines = BufReader::new(output).lines();
        let url = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned));
        let Some(url) = url else {
            let _ = server.kill();
            anyhow::bail!("the bureau did not start");
        };
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Bureau { program, folder: folder.to_owned(), server, url })
    }

    /// The CA that its certificate is of.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The password of its staff.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.folder.join("staff.token")).unwrap_or_default().trim().to_owned()
    }

    /// A one-time registration code.
    pub fn invite(&self) -> Result<String> {
        let invited = Command::new(&self.program).args(["invite", "--dir"]).arg(&self.folder).output()?;
        anyhow::ensure!(invited.status.success(), "bureau invite: {}", String::from_utf8_lossy(&invited.stderr).trim());
        Ok(String::from_utf8_lossy(&invited.stdout).trim().to_owned())
    }
}

impl Drop for Bureau {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
