//! Unmodified SoftLayer clients from PyPI: the library over XML-RPC and REST, its program `slcli`, its last release with SOAP, and zeep.
//!
//! The scripts stand in `tests/clients`. Each class has a service of its own, so that nobody's wrong guesses are held against another.

use crate::support::program;
use crate::support::{Database, Node, Service};

/// The current release of the library.
const CURRENT: &str = "KT_TEST_PYTHON";
/// The last one that speaks SOAP.
const WITH_SOAP: &str = "KT_TEST_PYTHON_SOAP";

/// Runs a class of a script on a fresh service.
async fn check(python: &str, script: &str, class: &str, checks: usize) {
    let service = Service::start().await;
    program::check(python, &service.url(""), script, &[(class, checks)], &[]).await;
}

/// The same on the program itself, whose clock goes on.
async fn check_with_a_clock(python: &str, script: &str, classes: &[(&str, usize)]) {
    let database = Database::new().await;
    let node = Node::on(&database);
    program::check(python, &node.url(""), script, classes, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_shows_credentials_of_all_kinds_over_xml_rpc() {
    check(CURRENT, "softlayer_client.py", "CredentialsOverXmlRpc", 16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_shows_credentials_of_all_kinds_over_rest() {
    check(CURRENT, "softlayer_client.py", "CredentialsOverRest", 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_logs_in_over_xml_rpc() {
    check(CURRENT, "softlayer_client.py", "LoginOverXmlRpc", 13).await;
    check(CURRENT, "softlayer_client.py", "LockedOverXmlRpc", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_logs_in_over_rest() {
    check(CURRENT, "softlayer_client.py", "LoginOverRest", 13).await;
    check(CURRENT, "softlayer_client.py", "LockedOverRest", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_masks_filters_and_pages_over_xml_rpc() {
    check(CURRENT, "softlayer_lists_client.py", "AskingOverXmlRpc", 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_masks_filters_and_pages_over_rest() {
    check(CURRENT, "softlayer_lists_client.py", "AskingOverRest", 13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_logs_in_with_a_second_factor() {
    let classes = [("SecondFactorOverXmlRpc", 1), ("SecondFactorOverRest", 1)];
    check_with_a_clock(CURRENT, "softlayer_client.py", &classes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_manages_keys_over_xml_rpc() {
    check(CURRENT, "softlayer_keys_client.py", "KeysOverXmlRpc", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_manages_keys_over_rest() {
    check(CURRENT, "softlayer_keys_client.py", "KeysOverRest", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_finds_no_oracle_for_keys() {
    check(CURRENT, "softlayer_keys_client.py", "OracleOverXmlRpc", 4).await;
    check(CURRENT, "softlayer_keys_client.py", "OracleOverRest", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_manages_users_over_xml_rpc() {
    check(CURRENT, "softlayer_users_client.py", "UsersOverXmlRpc", 26).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayer_manages_users_over_rest() {
    check(CURRENT, "softlayer_users_client.py", "UsersOverRest", 26).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slcli_is_set_up_at_a_terminal() {
    check(CURRENT, "softlayer_slcli.py", "Setup", 6).await;
    check(CURRENT, "softlayer_slcli.py", "SetupOverRest", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slcli_runs_its_commands_over_xml_rpc() {
    check(CURRENT, "softlayer_slcli.py", "Commands", 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slcli_runs_its_commands_over_rest() {
    check(CURRENT, "softlayer_slcli.py", "CommandsOverRest", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_other_languages_spell_it_their_way() {
    let classes = [("RestOfOthers", 10), ("XmlRpcOfOthers", 8), ("SoapOfOthers", 4)];
    let service = Service::start().await;
    program::check(CURRENT, &service.url(""), "softlayer_spellings.py", &classes, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softlayers_soap_transport_reads() {
    check(WITH_SOAP, "softlayer_soap_client.py", "Transported", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zeep_calls_both_versions_with_arguments() {
    check(WITH_SOAP, "softlayer_soap_client.py", "CallsOfVersion31", 11).await;
    check(WITH_SOAP, "softlayer_soap_client.py", "CallsOfVersion3", 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zeep_logs_in_with_a_second_factor() {
    check_with_a_clock(WITH_SOAP, "softlayer_soap_client.py", &[("SecondFactor", 1)]).await;
}
