use std::fmt::Write as _;

use vipps::{Amount, Client, Effect, Error, NextStep};
use vipps_sandbox::Fault;
use vipps_tests::{Reply, ScriptedServer, SkippingClock, client_for, credentials};

mod writes;

use writes::{Place, Write, once};

/// Who repeats a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    /// A clone of the same call.
    SameCall,
    /// The same process with the key of the error.
    SameKey,
    /// Another worker, or the process after it was restarted: all that it has is how to derive
    /// the key.
    OtherProcess,
}

/// What a request may meet; `None` is an answer of Vipps as it should be.
fn meetings() -> Vec<(&'static str, Option<Fault>)> {
    vec![
        ("its answer", None),
        ("lost on the way", Some(Fault::reset())),
        ("answer lost", Some(Fault::reset_after_effect())),
        ("503", Some(Fault::status(503))),
        ("503 after the effect", Some(Fault::status(503).after_effect())),
        ("429", Some(Fault::status(429))),
        ("429 after the effect", Some(Fault::status(429).after_effect())),
        ("403", Some(Fault::status(403))),
        ("403 after the effect", Some(Fault::status(403).after_effect())),
        ("401", Some(Fault::status(401))),
        ("404 of the API", Some(Fault::status(404))),
        ("404 of the API after the effect", Some(Fault::status(404).after_effect())),
        ("413 page", Some(Fault::status(413).html())),
        ("409 after the effect", Some(Fault::status(409).after_effect())),
        ("200 page", Some(Fault::status(200).html())),
        ("200 page after the effect", Some(Fault::status(200).html().after_effect())),
        ("yes that breaks off", Some(Fault::truncated(200).after_effect())),
    ]
}

/// What a call claims, held against what happened; then what it says to do.
fn judged(what: &str, end: &Result<(), Error>, happened: bool) -> String {
    let error = match end {
        Ok(()) => {
            assert!(happened, "{what}: done, and nothing happened");
            return "done".into();
        }
        Err(error) => error,
    };
    match error.effect() {
        Effect::None => assert!(!happened, "{what}: no effect is claimed, and it happened: {error}"),
        Effect::Certain => assert!(happened, "{what}: an effect is claimed, and nothing happened: {error}"),
        Effect::Possible => {}
    }
    assert_eq!(error.may_have_taken_effect(), error.effect() != Effect::None);
    if happened {
        let lies = matches!(error.next_step(), NextStep::Final | NextStep::FixRequest);
        assert!(!lies, "{what}: {:?} although it happened: {error}", error.next_step());
    }
    format!("{:?}, {}", error.effect(), shown(error.next_step()))
}

fn shown(step: NextStep) -> String {
    match step {
        NextStep::Repeat { .. } => "Repeat".into(),
        other => format!("{other:?}"),
    }
}

/// One cell: what the first request meets, then what the repetition meets.
async fn cell(place: &Place, write: Write, who: Who, first: &Option<Fault>, then: &Option<Fault>) -> [String; 2] {
    let what = format!("{write:?} {who:?} {first:?} {then:?}");
    let ([client, other], name) = (&place.clients, place.prepare(write).await);
    let derived = write.is_keyed() && who == Who::OtherProcess;
    let call = place.call(write, client, &name, None, derived);
    place.script(write.operation(), first.clone());
    let end = call().await;
    let one = judged(&what, &end, place.effects(write, &name).await > 0);
    let key = end.as_ref().err().and_then(|error| error.idempotency_key().cloned());
    let again = match who {
        Who::SameCall => call,
        Who::SameKey => place.call(write, client, &name, key, false),
        Who::OtherProcess => place.call(write, other, &name, None, derived),
    };
    if end.is_ok() && who == Who::SameKey {
        return [one, "-".into()];
    }
    place.script(write.operation(), then.clone());
    let end = again().await;
    let effects = place.effects(write, &name).await;
    let two = judged(&what, &end, effects > 0);
    place.script(write.operation(), None);
    assert!(effects <= 1 || write.may_double(), "{what}: {effects} effects");
    [one, two]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_claim_is_true_whatever_a_repetition_meets_and_whoever_repeats() {
    let mut table = String::new();
    for (write, kind) in [
        (Write::Capture, "A write that is repeated by its key: `payments.capture`"),
        (Write::InitiatePsp, "A write that cannot double: `psp.initiate`"),
        (Write::Register, "A write that is sent once: `webhooks.register`"),
    ] {
        let whos: &[Who] = match write.is_keyed() {
            true => &[Who::SameCall, Who::SameKey, Who::OtherProcess],
            false => &[Who::SameCall, Who::OtherProcess],
        };
        let _ = writeln!(table, "{kind}, once and again under the same key by another process.\n");
        let _ =
            writeln!(table, "| the call meets | it says | the repetition meets: 429 | a lost answer | its answer |");
        let _ = writeln!(table, "|---|---|---|---|---|");
        for (meets, first) in meetings() {
            let place = Place::new(false).await;
            let mut row = Vec::new();
            for (then_meets, then) in meetings() {
                for who in whos {
                    let [one, two] = cell(&place, write, *who, &first, &then).await;
                    if *who == Who::OtherProcess && ["429", "answer lost", "its answer"].contains(&then_meets) {
                        row.push((then_meets, one, two));
                    }
                }
            }
            let said = |name: &str| row.iter().find(|(then, ..)| *then == name).unwrap();
            let (one, [busy, lost, fine]) =
                (&said("429").1, ["429", "answer lost", "its answer"].map(|name| &said(name).2));
            let _ = writeln!(table, "| {meets} | {one} | {busy} | {lost} | {fine} |");
        }
        table.push('\n');
    }
    in_the_docs("repetitions.md", &table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_write_keeps_to_it_on_the_diagonal_with_codes_and_without() {
    let writes = [
        Write::Create,
        Write::Refund,
        Write::Cancel,
        Write::CreateCharge,
        Write::CaptureCharge,
        Write::RefundCharge,
        Write::CancelCharge,
        Write::StopAgreement,
        Write::UpdateAgreement,
        Write::CreateSession,
        Write::ExpireSession,
        Write::ForceApprove,
        Write::DeleteWebhook,
        Write::CancelOfVersion2,
        Write::DraftAgreement,
        Write::ForceAccept,
        Write::CreateMany,
        Write::UpdateSession,
        Write::DraftOfVersion2,
        Write::UpdateOfVersion2,
        Write::AcceptOfVersion2,
        Write::ReportPsp,
        Write::ForceApprovePsp,
    ];
    for blank_types in [false, true] {
        // Recurring alone has problems without a type.
        for write in writes.into_iter().filter(|write| !blank_types || write.is_of_recurring()) {
            let place = Place::new(blank_types).await;
            for (_, fault) in meetings() {
                let whos = if write.is_keyed() { &[Who::SameKey, Who::OtherProcess][..] } else { &[Who::SameCall] };
                for who in whos.iter().copied() {
                    cell(&place, write, who, &fault, &fault).await;
                    cell(&place, write, who, &fault, &None).await;
                }
            }
        }
    }
}

/// What a single call says to each kind of end.
async fn end_of(reply: Reply, write: impl AsyncFn(Client) -> Result<(), Error>) -> String {
    let server = ScriptedServer::start(vec![reply]).await;
    let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
    match write(client).await {
        Ok(()) => "done".into(),
        Err(error) => {
            let kind = format!("{error:?}");
            let kind = kind.split('(').next().unwrap_or_default();
            format!("`{kind}`, {:?}, {}", error.effect(), shown(error.next_step()))
        }
    }
}

#[tokio::test]
async fn every_kind_of_error_has_its_effect_and_its_step() {
    let coded = |code: &str| {
        format!(r#"{{"title":"t","traceId":"t","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]}}"#)
    };
    let field = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"modificationAmount","reason":"too low"}]}"#;
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    let rows = [
        ("no answer, or a reset", Reply::Reset),
        ("a yes that breaks off", Reply::cut_off(200)),
        ("a page instead of a yes", Reply::Bytes(page.to_vec())),
        ("a yes about something else", Reply::json(200, "", r#"{"reference":"acme-order-9"}"#)),
        ("408, 500, 502, 503 or 504", Reply::json(503, "", "")),
        ("501, 505 or 303", Reply::json(501, "", "")),
        ("423 or 429", Reply::json(429, "", "")),
        ("401, also with a new token", Reply::json(401, "", "")),
        ("403", Reply::json(403, "", "")),
        ("a code that is known to prove it: 6090", Reply::json(400, "", &coded("6090"))),
        ("a code that says to come back: 6280", Reply::json(400, "", &coded("6280"))),
        ("a code that nobody knows", Reply::json(400, "", &coded("9999"))),
        ("a malformed field", Reply::json(400, "", field)),
        ("the key was used for something else: 4010", Reply::json(409, "", &coded("4010"))),
        ("any other 4xx", Reply::json(404, "", "")),
    ];
    let mut table =
        String::from("| the call meets | a write by key | a write that is sent once | a read |\n|---|---|---|---|\n");
    let reference = "acme-order-1042";
    for (meets, reply) in rows {
        let keyed = async |client: Client| once(client.payments().capture(reference, Amount::nok_minor(300)).await);
        let single = async |client: Client| once(client.webhooks().register("https://a.example", ["e"]).await);
        let read = async |client: Client| once(client.payments().get(reference).await);
        let cells =
            [end_of(reply.clone(), keyed).await, end_of(reply.clone(), single).await, end_of(reply, read).await];
        let _ = writeln!(table, "| {meets} | {} | {} | {} |", cells[0], cells[1], cells[2]);
    }
    in_the_docs("errors.md", &table);
}

/// Holds a table against the one in the docs; `UPDATE_DOCS=1` writes it there.
fn in_the_docs(name: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/vipps-core/src/docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, table, "docs/{name} is stale: run this test with UPDATE_DOCS=1");
}
