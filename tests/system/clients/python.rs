//! taler-python (March 2026), which reads `/config` and refuses what is incomplete.

use merchant_otp_tests::Storage;

use super::{Answer, CURRENCY, Exchange, Member, backend, check_members, replay};
use crate::on_both_databases;

on_both_databases! {
    it_reads_the_configuration,
}

fn it_reads_the_configuration(storage: &Storage) {
    const CONFIG: Exchange = Exchange {
        request: "GET /config",
        headers: &["Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive"],
        body: "",
        answer: Answer::Shown(&[
            // It implements 27.
            ("/version", Member::Version(27, 27)),
            ("/name", Member::Is(r#""taler-merchant""#)),
            ("/currency", Member::Text),
            ("/default_persona", Member::Text),
            ("/currencies", Member::Object),
            ("/exchanges", Member::Array),
            ("/have_self_provisioning", Member::Boolean),
            ("/have_donau", Member::Boolean),
            ("/payment_target_types", Member::Text),
            // Optional, and checked where they are present.
            ("/report_generators", Member::Is("{}")),
            ("/default_pay_delay", Member::Absent),
            ("/default_refund_delay", Member::Absent),
            ("/default_wire_transfer_delay", Member::Absent),
        ]),
    };
    let server = backend(storage);
    replay(&server, "", &[CONFIG]);
    let config = CONFIG.send(&server, "").json();
    let currencies = config["currencies"].as_object().unwrap();
    assert!(currencies.contains_key(config["currency"].as_str().unwrap()), "{config}");
    for currency in currencies.values() {
        check_members("currency", currency, CURRENCY);
    }
}
