//! `rollcall consent`, `pin` and `qr`: what a person needs besides a face.

use super::appliance;
use super::class::class_id;
use crate::checkin;
use crate::class::ClassId;
use crate::journal::Journal;
use anyhow::{Context, Result};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `rollcall consent …`
#[derive(Debug, clap::Subcommand)]
pub enum ConsentCommand {
    /// Print the notice that a person must have read
    Notice,
    /// Record that people have read the notice and consent to face recognition
    Give(Whose),
    /// Record that people have read the notice and decline; they check in by QR code
    Decline(Whose),
    /// Record that people withdraw the consent that they gave; erases their face templates
    Withdraw(Whose),
    /// Who has consented
    List {
        /// 班期编号
        class: String,
    },
}

/// People of a class.
#[derive(Debug, clap::Args)]
pub struct Whose {
    /// 班期编号
    class: String,
    /// 编号 of each person
    #[arg(required_unless_present = "all")]
    numbers: Vec<String>,
    /// Everybody on the roster
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

impl Whose {
    /// Those whom `--all` means are the ones whose last word (`None`: none yet) is such that `is_meant`; the others are
    /// counted. Who is named is always meant.
    fn people(
        &self,
        journal: &Journal,
        is_meant: impl Fn(Option<bool>) -> bool,
    ) -> Result<(ClassId, Vec<String>, usize)> {
        let class = class_id(&self.class)?;
        if !self.all {
            return Ok((class, self.numbers.clone(), 0));
        }
        let reader = journal.store().read()?;
        let row = reader.class(&class)?.with_context(|| format!("class {class} is not known"))?;
        let (mut meant, mut left_out) = (Vec::new(), 0);
        for person in row.class.people() {
            if is_meant(reader.consent(&class, &person.number)?.map(|consent| consent.given)) {
                meant.push(person.number.clone());
            } else {
                left_out += 1;
            }
        }
        Ok((class, meant, left_out))
    }
}

impl ConsentCommand {
    /// Runs it.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        match self {
            ConsentCommand::Notice => println!("{}", checkin::CONSENT_NOTICE),
            ConsentCommand::Give(whose) => {
                let (_, journal) = appliance::open(config)?;
                let (class, numbers, left_out) = whose.people(&journal, |given| given != Some(false))?;
                for number in &numbers {
                    let appended = journal.give_consent(&class, number, &checkin::notice_sha256(), "cli")?;
                    println!("{number}  consents; record {}", appended.seq);
                }
                if left_out > 0 {
                    println!("left out: {left_out} who have declined or withdrawn; name those who consent after all");
                }
            }
            ConsentCommand::Decline(whose) => {
                let (_, journal) = appliance::open(config)?;
                let (class, numbers, left_out) = whose.people(&journal, |given| given.is_none())?;
                for number in &numbers {
                    let appended = journal.decline_consent(&class, number, &checkin::notice_sha256(), "cli")?;
                    println!(
                        "{number}  declines; record {}. `rollcall qr {class} {number} FILE` makes a code",
                        appended.seq
                    );
                }
                if left_out > 0 {
                    println!("left out: {left_out} who have been asked already");
                }
            }
            ConsentCommand::Withdraw(whose) => {
                let (_, journal) = appliance::open(config)?;
                let (class, numbers, left_out) = whose.people(&journal, |given| given == Some(true))?;
                for number in &numbers {
                    let appended = journal.withdraw_consent(&class, number, "cli")?;
                    println!(
                        "{number}  has withdrawn consent, what was enrolled for {class} is erased; record {}",
                        appended.seq
                    );
                }
                if left_out > 0 {
                    println!("left out: {left_out} whose consent does not stand");
                }
            }
            ConsentCommand::List { class } => {
                let (config, journal) = appliance::open(config)?;
                let model = appliance::embedding_model(&config);
                let class = class_id(&class)?;
                let reader = journal.store().read()?;
                let row = reader.class(&class)?.with_context(|| format!("class {class} is not known"))?;
                let enrolled = reader.enrolled_with(&class, model.as_deref())?;
                let with_any_model = reader.enrolled(&class)?;
                for person in row.class.people() {
                    let consent = match reader.consent(&class, &person.number)? {
                        Some(consent) if consent.given => format!("consents since {}", consent.time),
                        Some(consent) => format!("declined or withdrew on {}", consent.time),
                        None => "has not been asked".into(),
                    };
                    let face = match &person.number {
                        number if enrolled.contains(number) => "enrolled",
                        number if with_any_model.contains(number) => "enrolled with another model: not recognised",
                        _ => "not enrolled",
                    };
                    println!("{}  {}  {consent}, {face}", person.number, person.name);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `rollcall pin`
#[derive(Debug, clap::Args)]
pub struct PinArgs {
    /// 班期编号
    class: String,
    /// 编号 of the teacher
    number: String,
}

impl PinArgs {
    /// Reads the PIN from the terminal or the first line of standard input: never from the command line, which
    /// other users of the machine can see.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        let (_, journal) = appliance::open(config)?;
        if std::io::stdin().is_terminal() {
            print!("PIN (4 to 12 digits): ");
            std::io::stdout().flush()?;
        }
        let mut pin = String::new();
        std::io::stdin().lock().read_line(&mut pin)?;
        journal.store().set_pin(&class_id(&self.class)?, &self.number, pin.trim())?;
        println!("PIN set");
        Ok(ExitCode::SUCCESS)
    }
}

/// `rollcall qr`
#[derive(Debug, clap::Args)]
pub struct QrArgs {
    /// 班期编号
    class: String,
    /// 编号 of the person
    number: String,
    /// The SVG file to write
    file: PathBuf,
    /// Make a new code; the one that was printed before no longer works
    #[arg(long)]
    renew: bool,
}

impl QrArgs {
    /// Runs it.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        let (_, journal) = appliance::open(config)?;
        let class = class_id(&self.class)?;
        let token = match self.renew {
            true => Some(journal.store().begin().map_err(anyhow::Error::from).and_then(|write| {
                let token = write.renew_qr_token(&class, &self.number)?;
                write.commit()?;
                Ok(token)
            })?),
            false => journal.store().read()?.qr_token(&class, &self.number)?,
        };
        let token = token.with_context(|| format!("{} is not on the roster of class {class}", self.number))?;
        let code = qrcode::QrCode::with_error_correction_level(token.to_text(), qrcode::EcLevel::Q)?;
        let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(320, 320).build();
        std::fs::write(&self.file, svg).with_context(|| format!("cannot write {}", self.file.display()))?;
        println!(
            "{}: print it about 4 cm wide; whoever has it can ask to be checked in as this person",
            self.file.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}
