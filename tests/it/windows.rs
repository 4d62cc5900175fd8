//! Windows of lists (`first`, `last`, `skip`, `after`, `before`) against a naive evaluator, in all combinations.

use keytower::domain::entity::{HOST, VM};
use serde_json::{Value, json};

use crate::lists::{fitting, furnished, ids, ids_of, objects, refusal, sorted};
use crate::support::Service;

/// First, last, skip.
const CUTS: [(Option<usize>, Option<usize>, usize); 21] = {
    let mut cuts = [(None, None, 0); 21];
    let ends = [
        (None, None),
        (Some(0), None),
        (Some(2), None),
        (Some(99), None),
        (None, Some(0)),
        (None, Some(3)),
        (None, Some(99)),
    ];
    let skips = [0, 1, 4];
    let mut at = 0;
    while at < cuts.len() {
        let (first, last) = ends[at / skips.len()];
        cuts[at] = (first, last, skips[at % skips.len()]);
        at += 1;
    }
    cuts
};

/// What a window leaves of rows in order; `bounds` are the ids after and before which it lies.
fn window(
    ordered: &[String],
    matching: &[String],
    bounds: (Option<&str>, Option<&str>),
    (first, last, skip): (Option<usize>, Option<usize>, usize),
) -> Vec<String> {
    let place = |id: &str| ordered.iter().position(|known| known == id);
    let (mut from, mut to) = (0, ordered.len());
    if let Some(after) = bounds.0 {
        from = place(after).unwrap() + 1;
    }
    if let Some(before) = bounds.1 {
        to = place(before).unwrap();
    }
    let inside: Vec<String> = ordered
        .iter()
        .enumerate()
        .filter(|(at, id)| *at >= from && *at < to && matching.contains(id))
        .map(|(_, id)| id.clone())
        .collect();
    match last {
        Some(last) => {
            let end = inside.len().saturating_sub(skip);
            inside[end.saturating_sub(last)..end].to_vec()
        }
        None => inside.into_iter().skip(skip).take(first.unwrap_or(usize::MAX)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_what_a_naive_evaluator_says() {
    let service = furnished().await;
    let rows = objects(&service, &HOST, json!({}), true).await;
    let matching: Vec<String> = fitting(&rows, |row| row["nested_virtualization"] == json!(true));
    let outside = rows.iter().find(|row| row["nested_virtualization"] == json!(false)).unwrap()["id"].as_str();
    assert!((5..12).contains(&matching.len()), "{}", matching.len());
    let (mut asked, mut some) = (0, 0);
    // By id; by few values with ties, missing ones among them; by numbers; by a value of several members.
    let fields = ["iommu", "cpu_fan_speed_unit", "vm_num", "host_state"].map(|name| HOST.field(name).unwrap());
    let orders = fields.into_iter().flat_map(|field| [Some((field, false)), Some((field, true))]);
    for order in std::iter::once(None).chain(orders) {
        let all = sorted(&rows, order);
        let name =
            order.map(|(field, descending)| format!("{}_{}", field.name, if descending { "DESC" } else { "ASC" }));
        let ordered = ids_of(&all);
        let place = |at: usize| ordered.get(at).map(String::as_str);
        let bounds = [None, place(1), place(ordered.len() - 4), outside];
        for (after, before) in bounds.iter().flat_map(|after| bounds.iter().map(move |before| (*after, *before))) {
            for (first, last, skip) in CUTS {
                let expected = window(&ordered, &matching, (after, before), (first, last, skip));
                let arguments = json!({
                    "where": { "nested_virtualization": true }, "orderBy": name, "first": first, "last": last,
                    "skip": if skip == 0 { Value::Null } else { skip.into() }, "after": after, "before": before,
                });
                assert_eq!(ids(&service, &HOST, arguments.clone()).await, expected, "{arguments}");
                asked += 1;
                some += usize::from(!expected.is_empty());
            }
        }
    }
    println!("{asked} windows, {some} of them not empty");
    assert!(some > 500, "{some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_that_is_no_row_leaves_nothing() {
    let service = furnished().await;
    for bound in ["after", "before"] {
        for order in [Value::Null, json!("name_DESC")] {
            for id in ["no such id", "", "ODD-01"] {
                assert_eq!(ids(&service, &VM, json!({ bound: id, "orderBy": order })).await, [""; 0], "{bound} {id}");
            }
            assert!(!ids(&service, &VM, json!({ bound: "odd-01", "orderBy": order })).await.is_empty());
            assert!(!ids(&service, &VM, json!({ bound: null, "orderBy": order })).await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_mean_nothing_are_refused() {
    let service = Service::start().await;
    for (arguments, word) in [
        (json!({ "first": 1, "last": 1 }), "first and last"),
        (json!({ "first": 0, "last": 0 }), "first and last"),
        (json!({ "first": -1 }), "first"),
        (json!({ "last": -1 }), "last"),
        (json!({ "skip": -1 }), "skip"),
        (json!({ "first": 2_147_483_648_u32 }), "first"),
        (json!({ "first": 1.5 }), "first"),
        (json!({ "first": "1" }), "first"),
        (json!({ "first": true }), "first"),
        (json!({ "after": 1 }), "after"),
        (json!({ "before": ["a"] }), "before"),
        (json!({ "after": "a\u{0}b" }), "after"),
        (json!({ "orderBy": ["id_ASC"] }), "orderBy"),
        (json!({ "where": [] }), "where"),
        (json!({ "where": "id" }), "where"),
        (json!({ "where": { "id": { "in": [] } } }), "where.id"),
        (json!({ "where": { "id_in": "a" } }), "where.id_in"),
        (json!({ "where": { "memory": 1.5 } }), "where.memory"),
        (json!({ "where": { "vcpu": 3_000_000_000_u32 } }), "where.vcpu"),
        (json!({ "where": { "memory": "9223372036854775808" } }), "where.memory"),
        (json!({ "where": { "cpu_usage": "NaN" } }), "where.cpu_usage"),
        (json!({ "where": { "ha": "true" } }), "where.ha"),
        (json!({ "where": { "status": "running" } }), "where.status"),
        (json!({ "where": { "bogus": 1 } }), "where.bogus"),
        (json!({ "where": { "cluster_id": "a" } }), "where.cluster_id"),
        (json!({ "where": { "name\") OR (\"1": 1 } }), "where.name"),
    ] {
        let refusal = refusal(&service, &VM, arguments.clone()).await;
        assert!(refusal.contains(word), "{arguments}: {refusal}");
    }
}
