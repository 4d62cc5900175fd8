"""Drives keytower with the PyPI package SoftLayer, unmodified, over XML-RPC and REST: users, their states, permissions and parents.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root.
"""

import re
import secrets
import string
import unittest

from softlayer_support import INVALID, NOT_FOUND, PASSWORD, PUBLIC, ROOT_PASSWORD, STATES, USER, Face, Rest, XmlRpc


class Users:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls.make(stem="manager", permissions=["USER_MANAGE", "TICKET_VIEW"])
        cls.manager_login = cls.log_in(cls.manager["username"])
        cls.plain = cls.make(stem="plain")
        cls.plain_login = cls.log_in(cls.plain["username"])

    def create(self, who, template, *more):
        return who.call(USER, "createObject", template, *more)

    def template(self, stem="new", **members):
        name = self.name(stem)
        return {"username": name, "email": f"{name}@example.com", **members}

    def edit(self, who, user, **members):
        return who.call(USER, "editObject", members, id=user["id"])

    def ids(self, who):
        return {user["id"] for user in who.call("Account", "getUsers", mask="mask[id]")}

    def permissions(self, who, user):
        return sorted(one["keyName"] for one in who.call(USER, "getPermissions", id=user["id"]))

    def test_a_user_is_made_below_whoever_makes_them(self):
        for who, parent in [(self.root, self.root_id), (self.manager_login, self.manager["id"])]:
            template = self.template(firstName="Ada", lastName="Ł", city="Göteborg", timezoneId=114)
            made = self.create(who, template, PASSWORD, None)
            self.assertEqual((made["username"], made["email"], made["parentId"]), (template["username"], template["email"], parent))
            user = who.call(USER, "getObject", id=made["id"], mask="mask[id,firstName,lastName,city,timezoneId,userStatusId,isMasterUserFlag,permissions,roles]")
            self.assertEqual((user["firstName"], user["lastName"], user["city"], user["timezoneId"]), ("Ada", "Ł", "Göteborg", 114))
            self.assertEqual((user["userStatusId"], user["isMasterUserFlag"], user["permissions"], user["roles"]), (1001, False, [], []))
            self.assertEqual(who.call(USER, "getParent", id=made["id"])["id"], parent)
            self.assertIn(made["id"], [child["id"] for child in who.call(USER, "getChildUsers", id=parent)])
            self.works(self.log_in(made["username"]), made["username"])

    def test_the_account_makes_users_too(self):
        template = self.template()
        made = self.root.call("Account", "createUser", template, PASSWORD, None, True)
        self.assertEqual((made["username"], made["parentId"]), (template["username"], self.root_id))
        self.works(self.log_in(made["username"]), made["username"])

    def test_a_template_with_an_id_is_refused(self):
        before = self.ids(self.root)
        for number in (self.plain["id"], 999999, 1):
            self.raises(self.create, self.root, self.template(id=number), PASSWORD, None)
        self.assertEqual(self.ids(self.root), before)

    def test_a_name_is_given_once(self):
        before = self.ids(self.root)
        for name in (self.plain["username"], "root"):
            self.refused(INVALID, None, 500, self.create, self.root, self.template(username=name) | {"username": name}, PASSWORD, None)
        self.assertEqual(self.ids(self.root), before)
        self.works(self.plain_login, self.plain["username"])

    def test_a_user_without_a_name_is_called_after_the_account_and_the_address(self):
        account = self.root.call("Account", "getObject")["id"]
        for blank in ({"username": ""}, {}):
            email = f"{self.name('blank')}@example.com"
            made = self.create(self.root, {"email": email, **blank}, PASSWORD, None)
            self.assertEqual(made["username"], f"{account}_{email}")

    def test_a_weak_password_makes_no_user(self):
        before = self.ids(self.root)
        template = self.template()
        for weak in ("short", "1234567", "password", "Password1", "12345678", "iloveyou", template["username"], template["username"].upper()):
            with self.subTest(weak):
                answered = self.raises(self.create, self.root, template, weak, None)
                self.assertEqual(answered.code, INVALID)
        self.assertEqual(self.ids(self.root), before)

    def test_passwords_as_slcli_generates_them_are_taken(self):
        letters = string.ascii_letters + string.digits
        for ending in ("&<>", "]]>", "\\\"'", "%s$", "#{}", "`~!", "-|@", "+/="):
            password = "".join(secrets.choice(letters) for _ in range(20)) + ending
            made = self.create(self.root, self.template(), password, None)
            self.works(self.log_in(made["username"], password), made["username"])

    def test_making_users_takes_a_permission(self):
        before = self.ids(self.root)
        self.denied(self.create, self.plain_login, self.template(), PASSWORD, None)
        key = self.add_key(self.plain_login, self.plain)
        self.denied(self.create, self.with_key("apikey", key), self.template(), PASSWORD, None)
        self.assertEqual(self.ids(self.root), before)
        key = self.add_key(self.manager_login, self.manager)
        made = self.create(self.with_key(self.manager["username"], key), self.template(), PASSWORD, None)
        self.assertEqual(made["parentId"], self.manager["id"])

    def test_a_user_changes_what_is_theirs_and_nothing_else_moves(self):
        before = self.plain_login.call(USER, "getObject", id=self.plain["id"])
        self.assertIs(self.edit(self.plain_login, self.plain, city="Bergen", officePhone="5"), True)
        after = self.plain_login.call(USER, "getObject", id=self.plain["id"])
        self.assertEqual((after["city"], after["officePhone"]), ("Bergen", "5"))
        changed = {"city", "officePhone", "modifyDate"}
        self.assertEqual({name: after[name] for name in after if name not in changed}, {name: before[name] for name in before if name not in changed})
        self.assertIs(self.edit(self.plain_login, self.plain, city=""), True)
        self.assertNotIn("city", {name: value for name, value in self.me(self.plain_login).items() if value})

    def test_whoever_is_above_or_manages_users_changes_others(self):
        below = self.make(self.manager_login, "below")
        for who, user in [(self.root, below), (self.manager_login, below), (self.manager_login, self.plain)]:
            city = self.name("town")
            self.assertIs(self.edit(who, user, city=city), True)
            self.assertEqual(self.root.call(USER, "getObject", id=user["id"], mask="city"), {"city": city})
        self.assertIs(self.root.call(USER, "editObjects", [{"id": below["id"], "city": "A"}, {"id": self.plain["id"], "city": "B"}]), True)
        cities = [self.root.call(USER, "getObject", id=user["id"])["city"] for user in (below, self.plain)]
        self.assertEqual(cities, ["A", "B"])

    def test_nobody_else_finds_them(self):
        below = self.make(self.manager_login, "below")
        for user in (below, self.manager, {"id": 999999}):
            number = user["id"]
            self.not_found(number, self.plain_login.call, USER, "getObject", id=number)
            self.not_found(number, self.edit, self.plain_login, user, city="X")
            for method in ("getPermissions", "getChildUsers", "getParent", "getUserStatus", "getLoginAttempts", "isMasterUser"):
                self.not_found(number, self.plain_login.call, USER, method, id=number)
        self.assertNotIn("city", self.root.call(USER, "getObject", id=below["id"]))

    def test_whom_one_sees(self):
        below = self.make(self.manager_login, "below")
        lower = self.make(self.log_in_with(below, "USER_MANAGE"), "lower")
        self.assertEqual(self.ids(self.plain_login), {self.plain["id"]})
        self.root.call(USER, "removeBulkPortalPermission", [{"keyName": "USER_MANAGE"}], False, id=below["id"])
        self.assertEqual(self.ids(self.log_in(below["username"])), {below["id"], lower["id"]})
        self.assertEqual(self.ids(self.manager_login), self.ids(self.root))
        self.assertIn(self.root_id, self.ids(self.root))

    def log_in_with(self, user, *permissions):
        self.root.call(USER, "addBulkPortalPermission", [{"keyName": name} for name in permissions], id=user["id"])
        return self.log_in(user["username"])

    def test_the_states_have_names(self):
        listed = {state["id"]: state for state in self.root.call("User_Customer_Status", "getAllObjects")}
        self.assertEqual({state["keyName"]: number for number, state in listed.items()}, STATES)
        for name, number in STATES.items():
            user = self.make(stem="state")
            self.put(self.root, user, name)
            self.assertEqual(self.root.call(USER, "getUserStatus", id=user["id"]), listed[number])
        names = {number: listed[number]["name"] for number in (1001, 1002, 1003, 1022)}
        self.assertEqual(names, {1001: "Active", 1002: "Disabled", 1003: "Inactive", 1022: "VPN Only"})

    def test_who_is_not_active_any_more_is_out_at_once(self):
        for state in ("DISABLED", "PENDING", "CANCEL_PENDING", "INACTIVE", "SUSPENDED", "VPN_ONLY"):
            with self.subTest(state):
                user = self.make(stem="leaving")
                own = self.log_in(user["username"])
                key = self.add_key(own, user)
                by_key = self.with_key(user["username"], key)
                self.works(by_key, user["username"])
                self.assertIs(self.put(self.root, user, state), True)
                self.no_such_token(self.me, own)
                self.no_such_key(self.me, by_key)
                self.dead_key(user["username"], key)
                self.assertEqual(self.root.call(USER, "getObject", id=user["id"])["userStatusId"], STATES[state])
                self.put(self.root, user, "ACTIVE")
                self.no_such_token(self.me, own)
                self.works(self.log_in(user["username"]), user["username"])

    def test_a_state_that_there_is_not_is_refused(self):
        for state in (0, 1000, 1007, "gone"):
            self.refused(INVALID, None, 500, self.edit, self.root, self.plain, userStatusId=state)
        self.works(self.plain_login, self.plain["username"])

    def test_a_user_of_the_vpn_needs_a_password_for_it(self):
        template = self.template(userStatusId=STATES["VPN_ONLY"])
        self.raises(self.create, self.root, template, None, None)
        made = self.create(self.root, template, None, "vpnPassw0rd!")
        self.assertEqual(self.root.call(USER, "getUserStatus", id=made["id"])["keyName"], "VPN_ONLY")
        for password in ("vpnPassw0rd!", PASSWORD):
            self.raises(self.client().call, USER, "getPortalLoginToken", made["username"], password)

    def test_a_key_does_not_change_where_letters_go(self):
        user = self.make(stem="letters")
        own = self.log_in(user["username"])
        by_key = self.with_key(user["username"], self.add_key(own, user))
        above = self.with_key("apikey", self.add_key(self.root, {"id": self.root_id}))
        try:
            for who in (by_key, above):
                self.denied(self.edit, who, user, email="thief@example.com")
                self.denied(self.edit, who, user, city="Oslo", email="thief@example.com")
            seen = self.root.call(USER, "getObject", id=user["id"])
            self.assertEqual((seen["email"], seen.get("city")), (user["email"], None))
            self.assertIs(self.edit(by_key, user, city="Oslo"), True)
            self.assertIs(self.edit(above, user, city="Bergen"), True)
            for who in (own, self.root):
                email = f"{self.name('new')}@example.com"
                self.assertIs(self.edit(who, user, email=email), True)
                self.assertEqual(self.me(own)["email"], email)
        finally:
            (record,) = self.keys_of(self.root, {"id": self.root_id})
            self.root.call(USER, "removeApiAuthenticationKey", record["id"])

    def test_a_password_is_told_right_from_wrong(self):
        user = self.make(stem="asked")
        own = self.log_in(user["username"])
        ask = lambda password: own.call(USER, "isValidPortalPassword", password, id=user["id"])
        self.assertIs(ask(PASSWORD), True)
        self.assertIs(ask("not " + PASSWORD), False)
        self.assertIs(ask(PASSWORD), True)
        self.not_found(self.manager["id"], self.plain_login.call, USER, "isValidPortalPassword", PASSWORD, id=self.manager["id"])

    def test_permissions_are_given_and_taken(self):
        user = self.make(stem="given")
        call = lambda method, *told: self.root.call(USER, method, *told, id=user["id"])
        one = lambda name: {"keyName": name}
        self.assertIs(call("addPortalPermission", one("TICKET_VIEW")), True)
        self.assertIs(call("addBulkPortalPermission", [one("TICKET_EDIT"), one("TICKET_VIEW"), one("USER_MANAGE")]), True)
        self.assertEqual(self.permissions(self.root, user), ["TICKET_EDIT", "TICKET_VIEW", "USER_MANAGE"])
        for permission in self.log_in(user["username"]).call(USER, "getPermissions", id=user["id"]):
            self.assertEqual(sorted(permission), ["key", "keyName", "name"])
        self.assertIs(call("removePortalPermission", one("TICKET_EDIT")), True)
        self.assertIs(call("removeBulkPortalPermission", [one("TICKET_VIEW"), one("TICKET_ADD")]), True)
        self.assertEqual(self.permissions(self.root, user), ["USER_MANAGE"])
        self.assertIs(call("removeBulkPortalPermission", [one("USER_MANAGE")], True), True)
        self.assertEqual(self.permissions(self.root, user), [])

    def test_a_permission_acts_on_the_next_request(self):
        user = self.make(stem="acting")
        own = self.log_in(user["username"])
        by_key = self.with_key("apikey", self.add_key(own, user))
        manage = [{"keyName": "USER_MANAGE"}]
        for who in (own, by_key):
            self.denied(self.create, who, self.template(), None, None)
            self.root.call(USER, "addBulkPortalPermission", manage, id=user["id"])
            self.create(who, self.template(), None, None)
            self.root.call(USER, "removeBulkPortalPermission", manage, id=user["id"])
            self.denied(self.create, who, self.template(), None, None)

    def test_what_is_wrong_with_a_permission_is_said(self):
        user = self.make(stem="given")
        for who, user_id, add, remove in [
            (self.root, self.root_id, "You may not add permissions to your account.", "You may not remove permissions from your account."),
            (self.manager_login, self.manager["id"], "You may not add permissions to your account.", "You may not remove permissions from your account."),
        ]:
            view = {"keyName": "TICKET_VIEW"}
            self.refused(PUBLIC, add, 500, who.call, USER, "addPortalPermission", view, id=user_id)
            self.refused(PUBLIC, add, 500, who.call, USER, "addBulkPortalPermission", [view], id=user_id)
            self.refused(PUBLIC, remove, 500, who.call, USER, "removePortalPermission", view, id=user_id)
            self.refused(PUBLIC, remove, 500, who.call, USER, "removeBulkPortalPermission", [view], id=user_id)
        for method in ("addPortalPermission", "removePortalPermission"):
            for wrong in ({}, {"keyName": ""}, {"name": "View Tickets"}, {"keyName": None}):
                with self.subTest(method=method, wrong=wrong):
                    text = "Please specify a permission key name."
                    self.refused(PUBLIC, text, 500, self.root.call, USER, method, wrong, id=user["id"])
                    bulk = method.replace("Portal", "BulkPortal")
                    self.refused(PUBLIC, text, 500, self.root.call, USER, bulk, [{"keyName": "TICKET_VIEW"}, wrong], id=user["id"])
            for wrong in ("NO_SUCH", "ROOT", "*", "MANAGE_USER_AND_ROLE"):
                text = f"Unable to locate a permission with the key name {wrong}."
                self.refused(PUBLIC, text, 500, self.root.call, USER, method, {"keyName": wrong}, id=user["id"])
        self.assertEqual(self.permissions(self.root, user), [])

    def test_nobody_hands_out_more_than_they_have(self):
        below = self.make(self.manager_login, "below")
        give = lambda who, user, *names: who.call(USER, "addBulkPortalPermission", [{"keyName": name} for name in names], id=user["id"])
        self.assertIs(give(self.manager_login, below, "TICKET_VIEW", "USER_MANAGE"), True)
        self.raises(give, self.manager_login, below, "TICKET_EDIT")
        self.raises(give, self.manager_login, below, "TICKET_VIEW", "HARDWARE_VIEW")
        self.assertEqual(self.permissions(self.root, below), ["TICKET_VIEW", "USER_MANAGE"])
        # Nor to those who are not below, whom one only sees.
        text = re.compile(r"^(You may not add permissions to this account\.|Unable to find object with id of '\d+'\.)$")
        for user in (self.plain, {"id": self.root_id}):
            answered = self.raises(give, self.manager_login, user, "TICKET_VIEW")
            self.assertRegex(answered.text, text)
            self.assertIn(answered.code, (PUBLIC, NOT_FOUND))
        self.assertEqual(self.permissions(self.root, self.plain), [])
        self.raises(give, self.plain_login, below, "TICKET_VIEW")

    def test_what_is_taken_is_taken_from_those_below_too_if_that_is_wished(self):
        for cascade, left in [(False, ["TICKET_VIEW"]), (True, [])]:
            above = self.make(stem="above", permissions=["USER_MANAGE", "TICKET_VIEW"])
            below = self.make(self.log_in(above["username"]), "below", permissions=["TICKET_VIEW"])
            self.assertEqual(self.permissions(self.root, below), ["TICKET_VIEW"])
            self.root.call(USER, "removeBulkPortalPermission", [{"keyName": "TICKET_VIEW"}], cascade, id=above["id"])
            self.assertEqual(self.permissions(self.root, above), ["USER_MANAGE"])
            self.assertEqual(self.permissions(self.root, below), left)

    def test_a_user_gets_another_parent(self):
        one = self.make(stem="one", permissions=["USER_MANAGE"])
        two = self.make(stem="two", permissions=["USER_MANAGE"])
        one_login, two_login = self.log_in(one["username"]), self.log_in(two["username"])
        below = self.make(one_login, "below")
        key = self.add_key(one_login, below)
        moved = self.root.call(USER, "assignNewParentId", two["id"], False, id=below["id"])
        self.assertEqual((moved["id"], moved["parentId"]), (below["id"], two["id"]))
        self.assertEqual(self.root.call(USER, "getParent", id=below["id"])["id"], two["id"])
        self.not_found(below["id"], self.keys_of, one_login, below)
        self.assertEqual(len(self.keys_of(two_login, below)), 1)
        self.works(self.with_key(below["username"], key), below["username"])
        assign = lambda user, parent: self.root.call(USER, "assignNewParentId", parent, False, id=user["id"])
        for user, parent in [(below, two["id"]), (below, below["id"]), (two, below["id"]), (two, two["id"]), (below, 999999), ({"id": self.root_id}, two["id"])]:
            with self.subTest(user=user["id"], parent=parent):
                self.raises(assign, user, parent)
        self.assertEqual(self.root.call(USER, "getParent", id=below["id"])["id"], two["id"])
        self.raises(one_login.call, USER, "assignNewParentId", one["id"], False, id=below["id"])
        self.raises(self.log_in(below["username"]).call, USER, "assignNewParentId", self.root_id, False, id=below["id"])

    def test_the_master_user_stays(self):
        master = {"id": self.root_id}
        for who in (self.root, self.manager_login):
            self.raises(self.put, who, master, "CANCEL_PENDING")
        self.works(self.root, "root")
        self.works(self.log_in("root", ROOT_PASSWORD), "root")
        self.assertEqual(self.root.call(USER, "getUserStatus", id=self.root_id)["keyName"], "ACTIVE")

    def test_what_is_done_stands_in_the_event_log(self):
        user = self.make(stem="told")
        self.edit(self.root, user, city="Oslo")
        events = self.root.call("Event_Log", "getAllObjects", filter={"userId": {"operation": self.root_id}})
        self.assertTrue(events)
        for event in events[:5]:
            self.assertEqual((event["userId"], event["username"]), (self.root_id, "root"))
            self.assertEqual(event["ipAddress"], "127.0.0.1")
        self.unknown_to(PASSWORD, events)
        theirs = self.plain_login.call("Event_Log", "getAllObjects")
        self.assertEqual({event["userId"] for event in theirs} - {self.plain["id"]}, set())


class UsersOverXmlRpc(Users, XmlRpc, Face):
    pass


class UsersOverRest(Users, Rest, Face):
    pass


if __name__ == "__main__":
    unittest.main()
