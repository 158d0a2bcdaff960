//! The command line of `bureau`.

use crate::folder::{Bureau, CA, CA_KEY, TOKEN};
use crate::verify::shortened;
use crate::{Limits, backup, export, export_class, init, register, review, serve, verify};
use evidence::key::VerifyingKey;
use evidence::verdict::Severity;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Receives, verifies and countersigns appliance logs
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Folder {
    /// The bureau's folder
    #[arg(long, default_value = "/var/lib/rollcall-bureau")]
    dir: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set up a bureau: keys, certificates, database
    Init {
        #[command(flatten)]
        folder: Folder,
        /// The name in countersignatures, such as bureau/tianjin-nankai
        #[arg(long, default_value = "bureau/unnamed")]
        name: String,
        /// Names and addresses under which appliances reach the server, besides localhost
        #[arg(long)]
        host: Vec<String>,
    },
    /// Serve appliances and staff, over TLS
    Serve {
        #[command(flatten)]
        folder: Folder,
        /// Address to listen on; port 0 takes any
        #[arg(long, default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
    },
    /// Make a one-time code with which an appliance registers; it is good for 7 days
    Invite {
        #[command(flatten)]
        folder: Folder,
    },
    /// List the appliances
    Appliances {
        #[command(flatten)]
        folder: Folder,
    },
    /// Look through every appliance's whole log now, as the server does each hour, and tell what was found: exit code 0
    /// if all of them verify, 1 if not
    Review {
        #[command(flatten)]
        folder: Folder,
    },
    /// Mark an appliance's refused pushes, and a record that came before its time, as looked into; they stay on record
    Settle {
        #[command(flatten)]
        folder: Folder,
        /// The appliance's id
        device: String,
    },
    /// Countersign again after the clock was put back, now that it is right
    TrustClock {
        #[command(flatten)]
        folder: Folder,
    },
    /// Copy keys, settings and database into a new folder, also while the server runs
    Backup {
        #[command(flatten)]
        folder: Folder,
        /// The folder to make
        out: PathBuf,
    },
    /// Write an appliance's log, or one class's records, into a new folder, to be verified offline
    Export {
        #[command(flatten)]
        folder: Folder,
        /// Only the records of this class, with proofs that they are in the log
        #[arg(long)]
        class: Option<String>,
        /// The appliance's id
        device: String,
        /// The folder to make
        out: PathBuf,
    },
    /// Verify an exported log or class offline: exit code 0 verified, 1 does not verify, 2 cannot be read
    Verify {
        /// The exported folder
        folder: PathBuf,
        /// The key that the bureau is known to countersign with
        #[arg(long)]
        bureau_key: Option<VerifyingKey>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Arguments {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        leave_with_the_reader();
        let result = match self.command {
            Command::Init { folder, name, host } => set_up(&folder.dir, &name, &host),
            Command::Serve { folder, listen } => serve_on(&folder.dir, listen),
            Command::Invite { folder } => invite(&folder.dir),
            Command::Appliances { folder } => list(&folder.dir),
            Command::Review { folder } => look_through(&folder.dir),
            Command::Settle { folder, device } => settle(&folder.dir, &device),
            Command::TrustClock { folder } => trust_clock(&folder.dir),
            Command::Backup { folder, out } => back_up(&folder.dir, &out),
            Command::Export { folder, class, device, out } => export_to(&folder.dir, class.as_deref(), &device, &out),
            Command::Verify { folder, bureau_key, json } => judge(&folder, bureau_key, json),
        };
        result.unwrap_or_else(|error| {
            eprintln!("bureau: {error}");
            ExitCode::from(2)
        })
    }
}

/// Whoever reads the output may have seen enough (`| head`, `| grep -q`): an end as SIGPIPE makes it, not a crash.
fn leave_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(141);
        }
        usual(panic);
    }));
}

type Done = Result<ExitCode, Box<dyn Error>>;

fn set_up(dir: &Path, name: &str, hosts: &[String]) -> Done {
    init(dir, name, hosts)?;
    let bureau = Bureau::open(dir)?;
    println!("bureau      {}", bureau.name);
    println!("public key  {}", bureau.key.verifying_key());
    println!("CA          {} (each appliance needs a copy)", dir.join(CA).display());
    println!("token       in {} (for the bureau's staff)", dir.join(TOKEN).display());
    Ok(ExitCode::SUCCESS)
}

fn serve_on(dir: &Path, listen: SocketAddr) -> Done {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).json().with_writer(std::io::stderr).init();
    let bureau = Arc::new(Bureau::open(dir)?);
    let listener = TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    review::start(dir)?;
    println!("listening on https://{}", listener.local_addr()?);
    tokio::runtime::Runtime::new()?.block_on(serve(bureau, listener, &Limits::default()))?;
    Ok(ExitCode::SUCCESS)
}

fn invite(dir: &Path) -> Done {
    println!("{}", register::invite(&Bureau::open(dir)?)?);
    Ok(ExitCode::SUCCESS)
}

fn list(dir: &Path) -> Done {
    let appliances = Bureau::open(dir)?.database.appliances()?;
    if appliances.is_empty() {
        println!("no appliance has registered yet; `bureau invite` makes a code for one");
    }
    for row in appliances {
        let place = [row.site, row.room].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let countersigned =
            row.countersigned_at.map_or("never countersigned".into(), |time| format!("countersigned {}", utc(time)));
        let received =
            row.received_at.map_or("nothing received".into(), |time| format!("newest received {}", utc(time)));
        let ahead = row
            .ahead
            .map_or(String::new(), |ahead| format!(", record {} came {} s before its time", ahead.seq, ahead.seconds));
        let refused = format!("{} refused pushes ({} proven)", row.refusals, row.contradictions);
        println!("{}  {} records, {received}, {countersigned}, {refused}{ahead}  {place}", row.device, row.size);
    }
    Ok(ExitCode::SUCCESS)
}

fn look_through(dir: &Path) -> Done {
    let bureau = Bureau::open(dir)?;
    let rows: Vec<_> = bureau.database.appliances()?.into_iter().filter(|row| row.size > 0).collect();
    // All of them first: one tells of the others' lessons.
    for row in &rows {
        review::review(&bureau, row)?;
    }
    let mut code = ExitCode::SUCCESS;
    for row in &rows {
        let Some(found) = review::newest(&bureau, row)? else { continue };
        if found.failures > 0 {
            code = ExitCode::from(1);
        }
        println!("{}  {} records, {} failures, {} warnings", row.device, found.records, found.failures, found.warnings);
        for finding in found.notes().chain(found.problems()) {
            let severity = match finding.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Failure => "failure",
            };
            println!("  {severity:8} {:20} {}", finding.code, finding.message);
        }
    }
    Ok(code)
}

fn utc(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|time| jiff::Timestamp::from_second(time).ok());
    time.map_or_else(|| format!("{unix_seconds} s"), |time| time.to_string())
}

fn settle(dir: &Path, device: &str) -> Done {
    let database = Bureau::open(dir)?.database;
    let row = database.appliance(device)?.ok_or_else(|| format!("no appliance {device:?} is known"))?;
    println!("{} settled", database.settle(&row, &jiff::Timestamp::now().to_string())?);
    Ok(ExitCode::SUCCESS)
}

fn trust_clock(dir: &Path) -> Done {
    let (database, now) = (Bureau::open(dir)?.database, register::now());
    println!("newest countersignature  {}", utc(database.newest_time()?));
    database.set_newest_time(now)?;
    println!("from now on              {}", utc(now));
    Ok(ExitCode::SUCCESS)
}

fn back_up(dir: &Path, out: &Path) -> Done {
    let has_ca_key = backup::backup(&Bureau::open(dir)?, out)?;
    println!("{} is a whole bureau: keep it as safe as the original", out.display());
    if !has_ca_key {
        println!("{CA_KEY} is not in it, as it is not in {}: keep a copy of it where it is", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn export_to(dir: &Path, class: Option<&str>, device: &str, out: &Path) -> Done {
    let bureau = Bureau::open(dir)?;
    let records = match class {
        Some(class) => export_class(&bureau, device, class, out)?,
        None => export(&bureau, device, out)?,
    };
    let (out, key) = (out.display(), bureau.key.verifying_key());
    println!("{records} records in {out}; 核验 `bureau verify {out} --bureau-key {key}` checks them");
    Ok(ExitCode::SUCCESS)
}

fn judge(folder: &Path, bureau_key: Option<VerifyingKey>, json: bool) -> Done {
    let verdict = verify(folder, bureau_key)?;
    let verified = verdict.verified;
    if json {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    } else {
        print!("{}", shortened(verdict));
    }
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
