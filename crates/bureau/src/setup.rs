//! `bureau init`: keys, a CA and a server certificate of its own, the database.

use crate::database::Database;
use crate::folder::*;
use rand::TryRng;
use rand::rngs::SysRng;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::path::Path;

/// Sets up a bureau in `folder`, which must not hold one yet.
///
/// `hosts`: names and addresses under which appliances reach the server, besides localhost.
pub fn init(folder: &Path, name: &str, hosts: &[String]) -> Result<(), FolderError> {
    check_name(name).map_err(|problem| content(folder, SETTINGS, &problem))?;
    if folder.join(SETTINGS).exists() {
        return Err(content(folder, SETTINGS, "this folder is a bureau's already; it is never overwritten"));
    }
    // First what can go wrong because of a name: nothing has been written then.
    let certificates = certificates(name, hosts).map_err(|error| FolderError::Tls(error.to_string()))?;
    new_folder(folder)?;
    write_new(&folder.join(KEY), &format!("{}\n", evidence::hex(&random::<32>()?)), true)?;
    write_new(&folder.join(TOKEN), &format!("{}\n", evidence::hex(&random::<20>()?)), true)?;
    write_new(&folder.join(CA), &certificates.ca, false)?;
    write_new(&folder.join(CA_KEY), &certificates.ca_key, true)?;
    write_new(&folder.join(CERTIFICATE), &certificates.server, false)?;
    write_new(&folder.join(CERTIFICATE_KEY), &certificates.server_key, true)?;
    Database::create(&folder.join(DATABASE))?;
    // Last: a folder with settings is complete.
    let settings = toml::to_string(&Settings { name: name.into(), timezone: shanghai() });
    write_new(&folder.join(SETTINGS), &settings.expect("strings serialise"), false)?;
    sync_folder(folder)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], FolderError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| FolderError::Tls(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

struct Certificates {
    ca: String,
    ca_key: String,
    server: String,
    server_key: String,
}

fn certificates(name: &str, hosts: &[String]) -> Result<Certificates, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, format!("Rollcall CA of {name}"));
    let ca_certificate = ca.self_signed(&ca_key)?;
    let server_key = KeyPair::generate()?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(hosts.iter().filter(|host| !host.is_empty()).cloned());
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, name);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_pem = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key))?.pem();
    Ok(Certificates {
        ca: ca_certificate.pem(),
        ca_key: ca_key.serialize_pem(),
        server: server_pem,
        server_key: server_key.serialize_pem(),
    })
}
