//! `device`: manage OTP devices.

mod enrolment;
mod import;

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_application::operator::Operator;
use merchant_otp_domain::{
    Amount, InstanceId, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpKey,
    Permission, Timestamp,
};
use zeroize::Zeroizing;

use crate::command_line::{DeviceArgs, DeviceCommand, KeyArgument};
use crate::commands::database::{Use, opening_service, sealing_service, service};
use crate::commands::explain::explain;
use crate::settings::Settings;
use crate::text::one_line;

pub(crate) async fn device(settings: &Settings, command: DeviceCommand) -> anyhow::Result<()> {
    match command {
        DeviceCommand::Add { device, description, algorithm, key } => {
            let service = sealing_service(settings).await?;
            add(&service, device, description, algorithm, key).await
        }
        DeviceCommand::List { instance } => {
            list(&service(settings, Use::Read).await?, &instance.instance).await
        }
        DeviceCommand::Show { device } => {
            show(&*service(settings, Use::Read).await?, &device).await
        }
        DeviceCommand::Remove { device } => {
            let service = service(settings, Use::Change).await?;
            let write = Permission::OtpDevicesWrite;
            let grant =
                Operator::of(&service).grant(&device.of.instance, write).await.map_err(explain)?;
            service.remove_otp_device(&grant, &device.id).await.map_err(explain)
        }
        DeviceCommand::Import(arguments) => import::import(settings, &arguments).await,
        DeviceCommand::Code { device, at, price } => {
            let service = opening_service(settings, Use::Read).await?;
            code(&service, &device, at, price.as_ref()).await
        }
    }
}

async fn add(
    service: &Service,
    name: DeviceArgs,
    description: OtpDeviceDescription,
    algorithm: OtpAlgorithm,
    key: Option<KeyArgument>,
) -> anyhow::Result<()> {
    let grant = async |permission| {
        Operator::of(service).grant(&name.of.instance, permission).await.map_err(explain)
    };
    let read = grant(Permission::InstancesRead).await?;
    let instance = service.instance(&read).await.map_err(explain)?;
    let grant = grant(Permission::OtpDevicesWrite).await?;
    let key = match key {
        None => random_key()?,
        Some(KeyArgument(text)) if *text == "-" => read_key()?,
        Some(KeyArgument(text)) => OtpKey::from_base32(&text).context("--key")?,
    };
    let device = OtpDevice::new(name.id, description, key, algorithm, OtpCounter::default())?;
    // Created before the device is stored, so that afterwards only writing the output can fail.
    let uri = enrolment::uri(&instance, &device);
    let qr_code = enrolment::qr_code(&uri);
    service.add_otp_device(&grant, device.clone()).await.map_err(explain)?;
    show_key(&device, &uri, qr_code.as_ref().map(|code| code.as_str())).with_context(|| {
        format!(
            "the device is registered, but its key could not be shown; remove it with \
             `merchant-otp device remove --instance {} --id '{}'`, and add it again",
            instance.id,
            device.id()
        )
    })
}

fn show_key(
    device: &OtpDevice,
    uri: &str,
    qr_code: Result<&str, &anyhow::Error>,
) -> io::Result<()> {
    let mut output = io::stdout().lock();
    if device.algorithm() == OtpAlgorithm::None {
        writeln!(output, "The device is registered. It shows no codes.")?;
        return output.flush();
    }
    writeln!(output, "{uri}\n")?;
    match qr_code {
        // On a terminal, force white on black: scanners do not expect an inverted code.
        Ok(qr_code) => {
            let (white, reset) =
                if output.is_terminal() { ("\x1b[97;40m", "\x1b[0m") } else { ("", "") };
            for line in qr_code.lines() {
                writeln!(output, "{white}{line}{reset}")?;
            }
            writeln!(output, "\nScan the code with the device now: the key is shown only once.")?;
        }
        Err(error) => {
            writeln!(output, "{error}; enter the key by hand now: it is shown only once.")?;
        }
    }
    writeln!(output, "The codes of the device must have 8 digits.")?;
    if device.algorithm() == OtpAlgorithm::TotpWithPrice {
        writeln!(output, "The codes depend on the price: an authenticator app shows others.")?;
    }
    output.flush()
}

fn random_key() -> anyhow::Result<OtpKey> {
    // 160 bits, as RFC 4226 section 4 recommends.
    let mut bytes = vec![0; 20];
    getrandom::fill(&mut bytes).context("cannot get random bytes")?;
    Ok(OtpKey::from_bytes(bytes)?)
}

fn read_key() -> anyhow::Result<OtpKey> {
    const MAX_BYTES: u64 = 1024;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    io::stdin().take(MAX_BYTES).read_to_string(&mut text).context("cannot read the key")?;
    OtpKey::from_base32(text.trim()).context("standard input")
}

async fn list(service: &Arc<Service>, instance: &InstanceId) -> anyhow::Result<()> {
    let grant = Operator::of(service).grant(instance, Permission::OtpDevicesRead).await;
    let mut pages = service.otp_devices(grant.map_err(explain)?).await.map_err(explain)?;
    let mut output = io::stdout().lock();
    while let Some(page) = pages.next().await.map_err(explain)? {
        for device in &page {
            let description = one_line(device.description.as_str());
            writeln!(output, "{}\t{description}", one_line(device.id.as_str()))?;
        }
    }
    Ok(())
}

async fn show(service: &Service, name: &DeviceArgs) -> anyhow::Result<()> {
    let grant = Operator::of(service).grant(&name.of.instance, Permission::OtpDevicesRead).await;
    let device = service.sealed_otp_device(&grant.map_err(explain)?, &name.id).await;
    let device = device.map_err(explain)?;
    let mut output = io::stdout().lock();
    writeln!(output, "id\t{}", one_line(device.id.as_str()))?;
    writeln!(output, "description\t{}", one_line(device.description.as_str()))?;
    writeln!(output, "algorithm\t{}", device.algorithm.name())?;
    writeln!(output, "counter\t{}", device.counter.value())?;
    Ok(())
}

async fn code(
    service: &Service,
    name: &DeviceArgs,
    at: Option<Timestamp>,
    price: Option<&Amount>,
) -> anyhow::Result<()> {
    let grant = Operator::of(service).grant(&name.of.instance, Permission::OtpDevicesRead).await;
    let found = service.otp_device(&grant.map_err(explain)?, &name.id, at, price).await;
    let found = found.map_err(explain)?;
    let Some(codes) = found.codes else {
        anyhow::bail!(match found.device.algorithm() {
            OtpAlgorithm::TotpWithPrice =>
                "the codes of this device depend on the price; add `--price AMOUNT`",
            OtpAlgorithm::None | OtpAlgorithm::TotpWithoutPrice => "the device shows no codes",
        });
    };
    let time = found.time.seconds();
    let mut output = io::stdout().lock();
    for code in codes.codes() {
        let (from, until) = (code.shown_from(), code.shown_until());
        match (from.checked_sub(time), until.checked_sub(time)) {
            (Some(wait @ 1..), _) => writeln!(output, "{code}\tshown in {wait} s")?,
            (_, Some(left @ 1..)) => writeln!(output, "{code}\tshown for {left} s more")?,
            _ => writeln!(output, "{code}\tshown until {} s ago", time.saturating_sub(until))?,
        }
    }
    Ok(())
}
