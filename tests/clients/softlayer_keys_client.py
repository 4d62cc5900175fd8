"""Drives keytower with the PyPI package SoftLayer, unmodified, over XML-RPC and REST: who may do what with whose API key.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root.
"""

import unittest

from softlayer_support import (
    DENIED, INVALID, KEY, KEYS, NO_KEY_ID, PASSWORD, PUBLIC, USER, Face, Rest, XmlRpc, graphql_login, mint,
)

ONE_KEY = "Each user can only have a single API key."


class Family:
    """The master user, a child, a grandchild, the child's sibling and the sibling's child; all but the master log in with a password."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.child = cls.make(stem="child", permissions=["USER_MANAGE"])
        cls.child_login = cls.log_in(cls.child["username"])
        cls.grandchild = cls.make(cls.child_login, "grandchild")
        cls.grandchild_login = cls.log_in(cls.grandchild["username"])
        cls.sibling = cls.make(stem="sibling", permissions=["USER_MANAGE"])
        cls.sibling_login = cls.log_in(cls.sibling["username"])
        cls.cousin = cls.make(cls.sibling_login, "cousin")
        cls.cousin_login = cls.log_in(cls.cousin["username"])

    def setUp(self):
        """Everybody begins without a key."""
        for user in (self.child, self.grandchild, self.sibling, self.cousin):
            for record in self.keys_of(self.root, user):
                self.root.call(USER, "removeApiAuthenticationKey", record["id"])

    def answers_about(self, who, user, key_id):
        """Everything that might show a key of a user."""
        mask = "mask[id,apiAuthenticationKeys[id,authenticationKey,user[apiAuthenticationKeys[authenticationKey]]]]"
        deep = "mask[id,childUsers[apiAuthenticationKeys[authenticationKey],childUsers[apiAuthenticationKeys]],parent[apiAuthenticationKeys]]"
        return [
            self.keys_of(who, user), self.keys_of(who, user, mask="mask[id,authenticationKey]"),
            who.call(KEYS, "getObject", id=key_id), who.call(KEYS, "getObject", id=key_id, mask="authenticationKey"),
            who.call(KEYS, "getUser", id=key_id, mask=mask), who.call(USER, "getObject", id=user["id"], mask=mask),
            who.call(USER, "getObject", id=user["id"], mask="apiAuthenticationKeys"),
            who.call("Account", "getUsers", mask=mask), who.call("Account", "getUsers", mask="mask[id,apiAuthenticationKeys]"),
            who.call("Account", "getUsers", mask=deep), who.call("Account", "getCurrentUser", mask=deep),
            who.call(KEYS, "editObject", {"ipAddressRestriction": ""}, id=key_id),
        ]


class Keys(Family):
    def test_a_key_has_sixty_four_small_letters_and_digits(self):
        keys = set()
        for user, client in [(self.child, self.child_login), (self.grandchild, self.grandchild_login), (self.sibling, self.root)]:
            key = self.add_key(client, user)
            self.assertRegex(key, f"^{KEY.pattern}$")
            keys.add(key)
        self.assertEqual(len(keys), 3)

    def test_everybody_has_one_key(self):
        self.add_key(self.grandchild_login, self.grandchild)
        for client in (self.grandchild_login, self.child_login, self.root):
            self.refused(PUBLIC, ONE_KEY, 500, self.add_key, client, self.grandchild)
        self.assertEqual(len(self.keys_of(self.root, self.grandchild)), 1)

    def test_its_record_tells_whose_it_is(self):
        self.add_key(self.child_login, self.child)
        record = self.record(self.child_login, self.child)
        self.assertEqual(sorted(record), ["authenticationKey", "id", "ipAddressRestriction", "timestampKey", "userId"])
        self.assertEqual((record["userId"], record["ipAddressRestriction"]), (self.child["id"], ""))
        self.assertIsInstance(record["timestampKey"], int)
        self.assertEqual(self.child_login.call(KEYS, "getObject", id=record["id"]), record)
        self.assertEqual(self.child_login.call(KEYS, "getUser", id=record["id"])["username"], self.child["username"])
        with_user = self.root.call(KEYS, "getObject", id=record["id"], mask="mask[id,user[username]]")
        self.assertEqual(with_user, {"id": record["id"], "user": {"username": self.child["username"]}})

    def test_whoever_made_their_own_key_reads_it_at_any_time(self):
        key = self.add_key(self.child_login, self.child)
        key_id = self.record(self.child_login, self.child)["id"]
        later = self.log_in(self.child["username"])
        for client in (self.child_login, later, self.with_key(self.child["username"], key), self.with_key("apikey", key)):
            self.assertEqual(self.record(client, self.child)["authenticationKey"], key)
            self.assertEqual(client.call(KEYS, "getObject", id=key_id)["authenticationKey"], key)
            self.assertEqual(client.call(KEYS, "editObject", {"ipAddressRestriction": ""}, id=key_id)["authenticationKey"], key)
            for mask in ("id, apiAuthenticationKeys", "mask[id,apiAuthenticationKeys[authenticationKey]]", "mask[username;apiAuthenticationKeys.authenticationKey]"):
                self.assertEqual(self.me(client, mask=mask)["apiAuthenticationKeys"][0]["authenticationKey"], key)
            users = client.call("Account", "getUsers", mask="mask[id,apiAuthenticationKeys[authenticationKey]]")
            self.assertEqual({user["id"]: user["apiAuthenticationKeys"] for user in users}[self.child["id"]], [{"authenticationKey": key}])
            self.assertNotIn("apiAuthenticationKeys", self.me(client))

    def test_an_ancestor_sees_that_there_is_a_key_and_not_what_it_is(self):
        key = self.add_key(self.grandchild_login, self.grandchild)
        for who in (self.root, self.child_login):
            record = self.record(who, self.grandchild)
            self.assertEqual(sorted(record), ["id", "ipAddressRestriction", "timestampKey", "userId"])
            self.unknown_to(key, *self.answers_about(who, self.grandchild, record["id"]))
        self.works(self.with_key(self.grandchild["username"], key), self.grandchild["username"])

    def test_a_key_that_an_ancestor_made_is_shown_to_that_one_once(self):
        for maker in (self.root, self.child_login):
            key = self.add_key(maker, self.grandchild)
            record = self.record(maker, self.grandchild)
            self.works(self.with_key(self.grandchild["username"], key), self.grandchild["username"])
            for who in (self.root, self.child_login, self.grandchild_login, self.with_key("apikey", key)):
                self.assertNotIn("authenticationKey", self.record(who, self.grandchild))
                self.unknown_to(key, *self.answers_about(who, self.grandchild, record["id"]))
            self.assertIs(maker.call(USER, "removeApiAuthenticationKey", record["id"]), True)

    def test_siblings_cousins_and_descendants_find_nothing(self):
        key = self.add_key(self.child_login, self.child)
        record = self.record(self.root, self.child)
        strangers = [self.sibling_login, self.cousin_login, self.grandchild_login]
        strangers.append(self.with_key(self.sibling["username"], self.add_key(self.sibling_login, self.sibling)))
        number, key_id = self.child["id"], record["id"]
        for who in strangers:
            self.not_found(number, self.add_key, who, self.child)
            self.not_found(number, self.keys_of, who, self.child)
            self.not_found(key_id, who.call, KEYS, "getObject", id=key_id)
            self.not_found(key_id, who.call, KEYS, "getUser", id=key_id)
            self.not_found(key_id, who.call, KEYS, "editObject", {"ipAddressRestriction": "192.0.2.1"}, id=key_id)
            self.refused(PUBLIC, NO_KEY_ID, 500, who.call, USER, "removeApiAuthenticationKey", key_id)
            users = who.call("Account", "getUsers", mask="mask[id,apiAuthenticationKeys]")
            seen = {user["id"]: user for user in users}.get(number, {})
            self.assertFalse(seen.get("apiAuthenticationKeys"), seen)
            self.unknown_to(key, users, self.me(who, mask="mask[parent[apiAuthenticationKeys]]"))
        # What is not there at all looks the same.
        for who in (self.root, self.sibling_login):
            self.not_found(999999, self.add_key, who, {"id": 999999})
            self.not_found(999999, self.keys_of, who, {"id": 999999})
            self.not_found(999999, who.call, KEYS, "getObject", id=999999)
        self.assertEqual(self.record(self.root, self.child), record)
        self.works(self.with_key(self.child["username"], key), self.child["username"])

    def test_nobody_reaches_the_key_of_the_master_user(self):
        master = {"id": self.root_id}
        key = self.add_key(self.root, master)
        key_id = self.record(self.root, master)["id"]
        try:
            for who in (self.child_login, self.grandchild_login):
                self.not_found(self.root_id, self.add_key, who, master)
                self.not_found(self.root_id, self.keys_of, who, master)
                self.not_found(key_id, who.call, KEYS, "getObject", id=key_id)
                self.refused(PUBLIC, NO_KEY_ID, 500, who.call, USER, "removeApiAuthenticationKey", key_id)
                mask = "mask[id,parent[apiAuthenticationKeys,parent[apiAuthenticationKeys]]]"
                self.unknown_to(key, self.me(who, mask=mask), who.call("Account", "getUsers", mask="mask[id,apiAuthenticationKeys]"))
            self.works(self.with_key("root", key), "root")
        finally:
            self.root.call(USER, "removeApiAuthenticationKey", key_id)

    def test_the_owner_and_every_ancestor_remove_a_key_and_it_is_dead_at_once(self):
        for who in (self.root, self.child_login, self.grandchild_login):
            key = self.add_key(self.grandchild_login, self.grandchild)
            client = self.with_key(self.grandchild["username"], key)
            self.works(client, self.grandchild["username"])
            self.assertIs(who.call(USER, "removeApiAuthenticationKey", self.record(who, self.grandchild)["id"]), True)
            self.no_such_key(self.me, client)
            self.dead_key(self.grandchild["username"], key)
            self.assertEqual(self.keys_of(who, self.grandchild), [])

    def test_a_key_removes_itself(self):
        key = self.add_key(self.child_login, self.child)
        client = self.with_key(self.child["username"], key)
        self.assertIs(client.call(USER, "removeApiAuthenticationKey", self.record(client, self.child)["id"]), True)
        self.dead_key(self.child["username"], key)
        # As `slcli user apikey --refresh` does by the key itself: there is no way back.
        self.no_such_key(self.add_key, client, self.child)
        self.assertNotEqual(self.add_key(self.child_login, self.child), key)
        self.dead_key(self.child["username"], key)

    def test_a_key_makes_and_removes_the_keys_of_those_below(self):
        client = self.with_key(self.child["username"], self.add_key(self.child_login, self.child))
        key = self.add_key(client, self.grandchild)
        self.works(self.with_key(self.grandchild["username"], key), self.grandchild["username"])
        record = self.record(client, self.grandchild)
        self.assertNotIn("authenticationKey", record)
        self.assertIs(client.call(USER, "removeApiAuthenticationKey", record["id"]), True)
        self.dead_key(self.grandchild["username"], key)

    def test_removing_takes_the_id_of_a_key(self):
        key = self.add_key(self.child_login, self.child)
        remove = lambda *told, **options: self.child_login.call(USER, "removeApiAuthenticationKey", *told, **options)
        record = self.record(self.child_login, self.child)
        for told in [(), (None,), (0,), (999999,), (-1,), (2**31 - 1,), ("",), ("abc",), (self.child["id"],), ([record["id"]],), ({"id": record["id"]},), (key,)]:
            with self.subTest(told):
                self.refused(PUBLIC, NO_KEY_ID, 500, remove, *told)
        self.refused(PUBLIC, NO_KEY_ID, 500, remove, id=self.child["id"])
        self.works(self.with_key(self.child["username"], key), self.child["username"])
        # Other clients name the user beside it, and send numbers as text.
        self.assertIs(remove(str(record["id"]), id=self.child["id"]), True)
        self.dead_key(self.child["username"], key)

    def test_only_the_address_rule_is_edited(self):
        key = self.add_key(self.child_login, self.child)
        record = self.record(self.child_login, self.child)
        whole = {**record, "ipAddressRestriction": "127.0.0.0/8", "authenticationKey": "0" * 64, "userId": self.root_id, "timestampKey": 5}
        edited = self.child_login.call(KEYS, "editObject", whole, id=record["id"])
        self.assertGreaterEqual(edited["timestampKey"], record["timestampKey"])
        self.assertEqual(edited, {**record, "ipAddressRestriction": "127.0.0.0/8", "timestampKey": edited["timestampKey"]})
        self.works(self.with_key(self.child["username"], key), self.child["username"])
        self.assertEqual(self.record(self.child_login, self.child), edited)

    def test_the_owner_and_every_ancestor_edit_the_address_rule(self):
        key = self.add_key(self.grandchild_login, self.grandchild)
        record = self.record(self.root, self.grandchild)
        for who in (self.grandchild_login, self.child_login, self.root):
            edit = lambda rule: who.call(KEYS, "editObject", {"ipAddressRestriction": rule}, id=record["id"])
            edited = edit("192.0.2.0/24,2001:db8::/32")
            self.assertEqual((edited["id"], edited["ipAddressRestriction"]), (record["id"], "192.0.2.0/24,2001:db8::/32"))
            self.assertEqual("authenticationKey" in edited, who is self.grandchild_login)
            self.raises(self.me, self.with_key(self.grandchild["username"], key))
            for wrong in ("everywhere", "192.0.2.0/33", "1.2.3", "192.0.2.1;127.0.0.1", "127.0.0.1/x", "::/129"):
                with self.subTest(wrong):
                    self.refused(INVALID, None, 500, edit, wrong)
            self.assertEqual(self.record(who, self.grandchild)["ipAddressRestriction"], "192.0.2.0/24,2001:db8::/32")
            self.assertEqual(edit("")["ipAddressRestriction"], "")
            self.works(self.with_key(self.grandchild["username"], key), self.grandchild["username"])

    def test_a_user_who_is_pending_gets_no_key(self):
        user = self.make(stem="pending")
        self.put(self.root, user, "PENDING")
        text = "Generating an API key for a user in PENDING status is disallowed."
        self.refused(PUBLIC, text, 500, self.add_key, self.root, user)
        self.assertEqual(self.keys_of(self.root, user), [])

    def test_a_user_of_the_vpn_has_a_key_that_opens_nothing(self):
        user = self.make(self.child_login, "vpn")
        self.put(self.child_login, user, "VPN_ONLY")
        key = self.add_key(self.child_login, user)
        self.dead_key(user["username"], key)
        self.raises(self.client().call, USER, "getPortalLoginToken", user["username"], PASSWORD)
        for who in (self.child_login, self.root):
            record = self.record(who, user)
            self.assertNotIn("authenticationKey", record)
            self.assertEqual(record["userId"], user["id"])
        self.not_found(user["id"], self.keys_of, self.sibling_login, user)
        self.refused(PUBLIC, NO_KEY_ID, 500, self.sibling_login.call, USER, "removeApiAuthenticationKey", record["id"])
        self.assertIs(self.root.call(USER, "removeApiAuthenticationKey", record["id"]), True)
        self.assertEqual(self.keys_of(self.child_login, user), [])

    def test_who_manages_users_does_not_touch_the_keys_of_those_who_are_not_below(self):
        key = self.add_key(self.sibling_login, self.sibling)
        self.assertEqual(self.child_login.call(USER, "getObject", id=self.sibling["id"])["username"], self.sibling["username"])
        self.not_found(self.sibling["id"], self.keys_of, self.child_login, self.sibling)
        self.works(self.with_key(self.sibling["username"], key), self.sibling["username"])

    def test_the_service_has_a_second_name(self):
        key = self.add_key(self.child_login, self.child)
        record = self.record(self.child_login, self.child)
        twin = "User_Customer_OpenIdConnect"
        self.assertEqual(self.child_login.call(twin, "getApiAuthenticationKeys", id=self.child["id"])[0]["authenticationKey"], key)
        self.assertEqual(self.child_login.call(twin + "_ApiAuthentication", "getObject", id=record["id"]), record)

    def test_a_key_of_the_other_kind_does_not_show_the_classic_one(self):
        key = self.add_key(self.child_login, self.child)
        minted = mint(graphql_login(self.child["username"], PASSWORD))
        record = self.record(self.child_login, self.child)
        for client in (self.with_key(self.child["username"], minted), self.with_bearer(minted)):
            self.assertNotIn("authenticationKey", self.record(client, self.child))
            self.unknown_to(key, self.keys_of(client, self.child), client.call(KEYS, "getObject", id=record["id"]), self.me(client, mask="apiAuthenticationKeys"))
            self.refused(DENIED, None, 500, client.call, KEYS, "editObject", {"ipAddressRestriction": ""}, id=record["id"])

    def test_a_list_of_keys_takes_masks_filters_and_limits(self):
        self.add_key(self.child_login, self.child)
        record = self.record(self.child_login, self.child)
        self.assertEqual(self.keys_of(self.root, self.child, mask="mask[id,user[id]]"), [{"id": record["id"], "user": {"id": self.child["id"]}}])
        wanted = lambda number: {"apiAuthenticationKeys": {"id": {"operation": number}}}
        self.assertEqual(len(self.keys_of(self.root, self.child, filter=wanted(record["id"]))), 1)
        self.assertEqual(len(self.keys_of(self.root, self.child, filter=wanted(0))), 0)
        found = self.keys_of(self.root, self.child, limit=5, offset=1)
        self.assertEqual((list(found), found.total_count), ([], 1))


class KeysOverXmlRpc(Keys, XmlRpc, Face):
    pass


class KeysOverRest(Keys, Rest, Face):
    pass


class Oracle(Family):
    """Nothing tells a guess that is right from one that is wrong."""

    def setUp(self):
        super().setUp()
        self.keys = {
            user["id"]: self.add_key(client, user)
            for user, client in [(self.child, self.child_login), (self.grandchild, self.grandchild_login), (self.sibling, self.sibling_login)]
        }

    def operations(self, right):
        wrong = ("1" if right[0] == "0" else "0") + right[1:]
        for text in (right, wrong):
            yield {"operation": text}
            for sign in ("^=", "$=", "*=", "_=", "~", "!~", "!^=", "!$=", "!*=", "!=", ">", ">=", "<", "<="):
                yield {"operation": f"{sign} {text}"}
                yield {"operation": f"{sign}{text[:4] if sign != '$=' else text[-4:]}"}
            yield {"operation": "in", "options": [{"name": "data", "value": [text]}]}
            yield {"operation": "in", "options": [{"name": "data", "value": [text, "x"]}]}
        yield {"operation": "is null"}
        yield {"operation": "not null"}
        for way in ("ASC", "DESC"):
            yield {"operation": "orderBy", "options": [{"name": "sort", "value": [way]}]}
            yield {"operation": "orderBy", "options": [{"name": "sort", "value": [way]}, {"name": "sortOrder", "value": [1]}]}

    def asked(self, who, condition, root="users"):
        found = who.call("Account", "getUsers", filter={root: condition}, mask="mask[id]")
        return [user["id"] for user in found], found.total_count

    def test_a_filter_on_the_text_of_a_key_is_passed_over(self):
        for who, owner in [(self.root, self.child), (self.child_login, self.grandchild), (self.child_login, self.sibling), (self.child_login, self.child)]:
            everybody = self.asked(who, {})
            self.assertGreaterEqual(everybody[1], 4)
            for leaf in self.operations(self.keys[owner["id"]]):
                with self.subTest(leaf):
                    self.assertEqual(self.asked(who, {"apiAuthenticationKeys": {"authenticationKey": leaf}}), everybody)

    def test_nor_does_a_longer_way_lead_to_it(self):
        key = {"authenticationKey": {"operation": f"^= {self.keys[self.child['id']][:8]}"}}
        none = {"authenticationKey": {"operation": "^= nothing"}}
        for way in [
            lambda leaf: {"parent": {"apiAuthenticationKeys": leaf}},
            lambda leaf: {"childUsers": {"apiAuthenticationKeys": leaf}},
            lambda leaf: {"apiAuthenticationKeys": {"user": {"apiAuthenticationKeys": leaf}}},
            lambda leaf: {"account": {"users": {"apiAuthenticationKeys": leaf}}},
            lambda leaf: {"account": {"masterUser": {"childUsers": {"apiAuthenticationKeys": leaf}}}},
        ]:
            for who in (self.root, self.child_login, self.grandchild_login):
                everybody = self.asked(who, {})
                for leaf in (key, none):
                    with self.subTest(way(leaf)):
                        self.assertEqual(self.asked(who, way(leaf)), everybody)

    def test_nor_does_a_list_of_keys_tell(self):
        for leaf in self.operations(self.keys[self.grandchild["id"]]):
            with self.subTest(leaf):
                found = self.keys_of(self.root, self.grandchild, filter={"apiAuthenticationKeys": {"authenticationKey": leaf}})
                self.assertEqual((len(found), found.total_count), (1, 1))
                children = self.child_login.call(USER, "getChildUsers", id=self.child["id"], filter={"childUsers": {"apiAuthenticationKeys": {"authenticationKey": leaf}}})
                self.assertEqual([user["id"] for user in children], [self.grandchild["id"]])

    def test_nor_do_the_keys_of_people_who_are_not_below(self):
        for leaf in ({"id": {"operation": "> 0"}}, {"userId": {"operation": self.sibling["id"]}}):
            with self.subTest(leaf):
                found, _ = self.asked(self.child_login, {"apiAuthenticationKeys": leaf})
                self.assertNotIn(self.sibling["id"], found)


class OracleOverXmlRpc(Oracle, XmlRpc, Face):
    pass


class OracleOverRest(Oracle, Rest, Face):
    pass


if __name__ == "__main__":
    unittest.main()
