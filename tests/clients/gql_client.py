"""Drives keytower with the PyPI package gql, which checks every document against the introspected schema before it sends it.

KEYTOWER is the address of a service with the example inventory, TOKEN a token of its user root, SCHEMA the committed schema file.
"""

import os
import unittest

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from graphql import GraphQLError, GraphQLList, build_schema, find_breaking_changes, find_dangerous_changes, get_named_type
from graphql import get_nullable_type, is_leaf_type

SERVICE = os.environ["KEYTOWER"]
TOKEN = os.environ["TOKEN"]
MINT = "mutation createApiKey($name: String!) { createApiKey(data: { name: $name }) { id key roles { id preset }}}"
DELETE = "mutation deleteApiKey($key: String!) { deleteApiKey(where: { key: $key }) { id } }"
LIST = "query apiKeys($where: ApiKeyWhereInput) { apiKeys(where: $where) { id key name username user { id } } }"
VMS = """
query vms($where: VmWhereInput, $orderBy: VmOrderByInput, $first: Int) {
  vms(where: $where, orderBy: $orderBy, first: $first) { id name status memory cluster { id name } __typename }
  vmsConnection(where: $where) { aggregate { count } }
}
"""


def client(credential, path="/api/"):
    headers = {"Authorization": credential}
    transport = RequestsHTTPTransport(url=SERVICE + path, headers=headers, timeout=60, retries=0)
    return Client(transport=transport, fetch_schema_from_transport=True)


def run(client, text, **variables):
    document = gql(text)
    document.variable_values = variables
    return client.execute(document)


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = client(TOKEN)
        with cls.client:  # fetches the schema
            cls.schema = cls.client.schema

    def test_the_introspected_schema_is_the_committed_one(self):
        with open(os.environ["SCHEMA"], encoding="utf-8") as file:
            committed = build_schema(file.read())
        for old, new in ((committed, self.schema), (self.schema, committed)):
            changes = find_breaking_changes(old, new) + find_dangerous_changes(old, new)
            # The file leaves out the directives of the specification; build_schema adds those of its newest edition.
            self.assertEqual([change.description for change in changes if "@deprecated" not in change.description], [])

    def test_documented_documents_are_valid(self):
        for text in (
            MINT,
            DELETE,
            LIST,
            VMS,
            "{authnStrategies{id type}}",
            "query checkTowerIsSetup { organizations(first: 10) { id name __typename } userCreated { created __typename } }",
            "mutation login($data: LoginInput!) { login(data: $data) { token } }",
            "mutation login($data: LoginInput!) { login(data: $data, effect: {encoded: true}) { token uid need_mfa "
            "mfa_meta { recipient mid type valid __typename } __typename } }",
            "query clusters { clusters { id name } }",
        ):
            with self.subTest(text):
                self.client.validate(gql(text))

    def test_every_list_answers_all_its_plain_fields(self):
        lists = {
            name: get_named_type(field.type)
            for name, field in self.schema.query_type.fields.items()
            if isinstance(get_nullable_type(field.type), GraphQLList)
        }
        self.assertLessEqual({"apiKeys", "clusters", "datacenters", "hosts", "organizations", "users", "vms"}, lists.keys())
        for name, kind in lists.items():
            with self.subTest(name):
                plain = [field for field, one in kind.fields.items() if is_leaf_type(get_named_type(one.type))]
                rows = run(self.client, "{ %s { %s __typename } }" % (name, " ".join(plain)))[name]
                self.assertEqual({row["__typename"] for row in rows} - {kind.name}, set())
                empty = ("apiKeys", "apiKeysWithoutMfa", "authnStrategies", "usersWithoutMfa")
                self.assertTrue(rows or name in empty)

    def test_an_unknown_field_fails_before_anything_is_sent(self):
        for text in ("{ vms { colour } }", "{ vms(where: { colour: 1 }) { id } }", "{ vms(orderBy: colour_ASC) { id } }"):
            with self.subTest(text), self.assertRaises(GraphQLError) as refused:
                run(self.client, text)
            self.assertIn("colour", refused.exception.message)

    def test_the_server_itself_refuses_what_the_client_would_have_refused(self):
        blind = Client(transport=self.client.transport)
        with self.assertRaises(TransportQueryError) as refused:
            run(blind, "{ vms { colour } }")
        self.assertIn("colour", str(refused.exception))


class Key(unittest.TestCase):
    def test_mint_use_and_delete(self):
        for path in ("/api", "/api/"):
            with self.subTest(path):
                root = client(TOKEN, path)
                made = run(root, MINT, name="gql")["createApiKey"]
                self.assertEqual((len(made["key"]), [role["preset"] for role in made["roles"]]), (64, ["ROOT"]))
                holder = client(made["key"], path)
                answer = run(holder, VMS, where={"status": "RUNNING"}, orderBy="name_ASC", first=3)
                names = [vm["name"] for vm in answer["vms"]]
                self.assertEqual((len(names), names), (3, sorted(names)))
                self.assertEqual({vm["status"] for vm in answer["vms"]}, {"RUNNING"})
                self.assertEqual(answer["vmsConnection"]["aggregate"]["count"], 19)
                self.assertEqual(answer["vms"][0]["__typename"], "Vm")
                # Long integers are text in GraphQL: JavaScript would round them.
                self.assertTrue(all(vm["memory"].isdigit() for vm in answer["vms"]))
                listed = run(root, LIST, where={"id": made["id"]})["apiKeys"]
                self.assertEqual([(row["key"], row["name"], row["username"]) for row in listed], [(None, "gql", "root")])
                self.assertEqual(run(root, DELETE, key=made["key"])["deleteApiKey"], {"id": made["id"]})
                with self.assertRaises(TransportQueryError) as refused:
                    run(holder, VMS)
                self.assertEqual(refused.exception.errors[0]["extensions"]["code"], "UNAUTHENTICATED")
                self.assertEqual(run(root, LIST)["apiKeys"], [])


if __name__ == "__main__":
    unittest.main()
