"""Drives keytower with the PyPI package SoftLayer, unmodified, over XML-RPC and REST: masks, filters, limits, and what `slcli` asks for.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root.
"""

import re
import unittest

import SoftLayer

from softlayer_support import KEYS, PUBLIC, USER, Face, Rest, XmlRpc

OBJECT_MASK = "SoftLayer_Exception_WebService_ObjectMask"
PARSER = "SoftLayer_Exception_Common_Parser"


class Asking:
    """Masks, filters and limits: fourteen users below one of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls.make(stem="boss", permissions=["USER_MANAGE", "TICKET_VIEW"])
        cls.own = cls.log_in(cls.boss["username"])
        cls.add_key(cls.own, cls.boss)
        cls.stem = cls.name("row")
        cls.rows = []
        for number in range(14):
            name = f"{cls.stem}-{number:02}"
            template = {"username": name, "email": f"{name}@example.com", "firstName": "Row", "lastName": f"Number {number}"}
            if number % 2:
                template["city"] = "Oslo"
            cls.rows.append(cls.own.call(USER, "createObject", template, None, None))
        cls.put(cls.own, cls.rows[3], "DISABLED")

    def users(self, condition=None, **options):
        """Users of this class that a condition lets through, by the number in their name."""
        wanted = {"users": {"username": {"operation": f"^= {self.stem}"}, **(condition or {})}}
        return self.own.call("Account", "getUsers", filter=wanted, **options)

    def rows_of(self, condition, **options):
        found = self.users(condition, **options)
        numbers = [int(user["username"].rsplit("-", 1)[1]) for user in found]
        self.assertEqual(found.total_count, len(numbers))
        return numbers

    def get(self, **options):
        return self.own.call(USER, "getObject", id=self.rows[1]["id"], **options)

    def test_a_mask_is_spelled_in_many_ways(self):
        both = {"id": self.rows[1]["id"], "username": self.rows[1]["username"]}
        for mask in [
            "mask[id,username]", "id,username", "id;username", "mask[id;username]", "[mask.id,mask.username]", "mask(SoftLayer_User_Customer)[id,username]",
            "filteredMask[id,username]", " mask[ id ,\n   username ]\n", "mask[id,username,id]", "[mask[id],mask[username]]",
        ]:
            with self.subTest(mask):
                self.assertEqual(self.get(mask=mask), both)
        self.assertEqual(self.get(mask="mask.username"), {"username": both["username"]})
        self.assertEqual(self.get(mask="username"), {"username": both["username"]})
        for mask in ["mask[id,userStatus[name]]", "mask[id,userStatus.name]", "[mask.id,mask.userStatus.name]", "id, userStatus(SoftLayer_User_Customer_Status)[name]"]:
            with self.subTest(mask):
                self.assertEqual(self.get(mask=mask), {"id": both["id"], "userStatus": {"name": "Active"}})
        deep = self.get(mask="mask[id,parent[username,userStatus[keyName],childUsers[parent[id],city]]]")
        self.assertEqual(deep["parent"]["userStatus"], {"keyName": "ACTIVE"})
        parent = {"parent": {"id": self.boss["id"]}}
        self.assertEqual(deep["parent"]["childUsers"], [{**parent, **({"city": "Oslo"} if number % 2 else {})} for number in range(14)])

    def test_no_mask_gives_the_local_properties(self):
        plain = self.get()
        for name in ("id", "username", "email", "firstName", "lastName", "city", "parentId", "userStatusId", "createDate", "accountId"):
            self.assertIn(name, plain)
        for name in ("userStatus", "parent", "apiAuthenticationKeys", "permissions", "hardwareCount", "childUserCount", "password"):
            self.assertNotIn(name, plain)
        self.assertEqual(self.get(mask="mask[]"), plain)
        self.assertNotIn("address1", plain)

    def test_relations_and_counts_come_beside_all_local_properties(self):
        plain = self.get()
        mask = "userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], unsuccessfulLogins, hardwareCount"
        more = self.get(mask=mask)
        self.assertEqual({name: more[name] for name in plain}, plain)
        self.assertEqual(more["userStatus"], {"name": "Active"})
        self.assertEqual(more["parent"], {"id": self.boss["id"], "username": self.boss["username"]})
        self.assertEqual((more["apiAuthenticationKeys"], more["unsuccessfulLogins"], more["hardwareCount"]), ([], [], 0))
        counts = self.me(self.own, mask="mask[id, childUserCount, apiAuthenticationKeyCount, permissionCount, externalBindingCount]")
        expected = {"id": self.boss["id"], "childUserCount": 14, "apiAuthenticationKeyCount": 1, "permissionCount": 2, "externalBindingCount": 0}
        self.assertEqual(counts, expected)
        self.assertNotIn("parent", self.me(self.root, mask="mask[id, parent[id]]"))

    def test_a_mask_that_can_not_be_is_refused(self):
        for mask, kind in [("mask[id,colour]", USER), ("mask[userStatus[colour]]", "SoftLayer_User_Customer_Status"), ("parent[parent[colour]]", USER)]:
            with self.subTest(mask):
                self.refused(OBJECT_MASK, f"Property 'colour' not valid for '{kind}'.", 500, self.get, mask=mask)
        for mask in ["mask[id", "mask[id,,username]]", "mask[[id]", "mask[id]]", "mask[id,username", "mask[<id>]"]:
            with self.subTest(mask):
                self.refused(PARSER, re.compile(r"^Error on line 1 at column \d+: Expected .+, got '.*'$"), 500, self.get, mask=mask)
        deep = "parent[" * 2000 + "id" + "]" * 2000
        self.raises(self.own.call, USER, "getObject", id=self.rows[1]["id"], mask=deep)

    def test_a_filter_says_it_in_many_ways(self):
        row = lambda number: f"{self.stem}-{number:02}"
        data = lambda *values: [{"name": "data", "value": list(values)}]
        for operation, expected in [
            ({"operation": row(4)}, [4]),
            ({"operation": f"_= {row(4).upper()}"}, [4]),
            ({"operation": f"_={row(4)}"}, [4]),
            ({"operation": f"^= {row(0)[:-1]}"}, range(10)),
            ({"operation": "$= 4"}, [4]),
            ({"operation": f"*= {self.stem}-0"}, range(10)),
            ({"operation": f"~ {self.stem}-1"}, range(10, 14)),
            ({"operation": f"!~ {self.stem}-1"}, range(10)),
            ({"operation": f"!^= {self.stem}"}, []),
            ({"operation": "in", "options": data(row(1), row(5), "nobody")}, [1, 5]),
            ({"operation": "nobody"}, []),
        ]:
            with self.subTest(operation):
                found = self.own.call("Account", "getUsers", filter={"users": {"username": operation}})
                mine = [int(user["username"].rsplit("-", 1)[1]) for user in found if user["username"].startswith(self.stem)]
                self.assertEqual(mine, list(expected))
        odd, even = list(range(1, 14, 2)), list(range(0, 14, 2))
        ids = [row["id"] for row in self.rows]
        for condition, expected in [
            ({"city": {"operation": "Oslo"}}, odd),
            ({"city": {"operation": "not null"}}, odd),
            ({"city": {"operation": "is null"}}, even),
            ({"city": {"operation": "^= Os"}}, odd),
            ({"city": {"operation": "$= lo"}}, odd),
            ({"city": {"operation": "*= sl"}}, odd),
            ({"firstName": {"operation": "!= Row"}}, []),
            ({"lastName": {"operation": "!^= Number 1"}}, [0] + list(range(2, 10))),
            ({"id": {"operation": ids[6]}}, [6]),
            ({"id": {"operation": str(ids[6])}}, [6]),
            ({"id": {"operation": f"> {ids[11]}"}}, [12, 13]),
            ({"id": {"operation": f">= {ids[11]}"}}, [11, 12, 13]),
            ({"id": {"operation": f"< {ids[2]}"}}, [0, 1]),
            ({"id": {"operation": f"<= {ids[2]}"}}, [0, 1, 2]),
            ({"id": {"operation": "in", "options": data(ids[9], str(ids[2]))}}, [2, 9]),
            ({"userStatus": {"name": {"operation": "Disabled"}}}, [3]),
            ({"userStatus": {"keyName": {"operation": "!= ACTIVE"}}}, [3]),
            ({"parent": {"username": {"operation": self.boss["username"]}}}, list(range(14))),
            ({"parent": {"username": {"operation": "root"}}}, []),
            ({"city": {"operation": "Oslo"}, "lastName": {"operation": "*= 1"}}, [1, 11, 13]),
            ({"createDate": {"operation": "greaterThanDate", "options": [{"name": "date", "value": ["01/01/2020 0:0:0"]}]}}, list(range(14))),
            ({"createDate": {"operation": "lessThanDate", "options": [{"name": "date", "value": ["2020-01-01T00:00:00"]}]}}, []),
        ]:
            with self.subTest(condition):
                self.assertEqual(self.rows_of(condition), expected)

    def test_rows_come_in_the_order_that_was_asked_for(self):
        order = lambda way: {"operation": "orderBy", "options": [{"name": "sort", "value": [way]}]}
        self.assertEqual(self.rows_of(None), list(range(14)))
        self.assertEqual(self.rows_of({"id": order("DESC")}), list(range(13, -1, -1)))
        self.assertEqual(self.rows_of({"id": order("ASC")}), list(range(14)))
        self.assertEqual(self.rows_of({"lastName": order("DESC")})[:2], [9, 8])

    def test_a_filter_that_hits_nothing_known_is_passed_over(self):
        for condition in [
            {"colour": {"operation": "red"}}, {"userStatus": {"colour": {"operation": "red"}}}, 
        ]:
            with self.subTest(condition):
                self.assertEqual(self.rows_of(condition), list(range(14)))
        for root in [
            {"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["DESC"]}]}}, 
            {"colour": {"operation": "red"}}, {},
        ]:
            with self.subTest(root):
                self.assertGreaterEqual(len(self.own.call("Account", "getUsers", filter=root)), 15)

    def test_limit_and_offset_take_a_part_and_tell_of_all(self):
        for limit, offset, expected in [(5, 0, range(5)), (5, 10, range(10, 14)), (5, 14, []), (100, 0, range(14)), (1, 13, [13]), (5, None, range(5))]:
            with self.subTest(limit=limit, offset=offset):
                found = self.users(limit=limit, offset=offset)
                self.assertEqual([int(user["username"][-2:]) for user in found], list(expected))
                self.assertEqual(found.total_count, 14)
        children = self.own.call(USER, "getChildUsers", id=self.boss["id"], limit=3, offset=1, mask="mask[id]")
        self.assertEqual(children, [{"id": row["id"]} for row in self.rows[1:4]])
        self.assertEqual(children.total_count, 14)

    def test_pages_are_turned_to_the_end(self):
        wanted = {"users": {"username": {"operation": f"^= {self.stem}"}}}
        expected = [row["id"] for row in self.rows]
        for limit in (1, 5, 7, 14, 100):
            with self.subTest(limit):
                turned = self.own.iter_call("Account", "getUsers", limit=limit, filter=dict(wanted), mask="mask[id]")
                self.assertEqual([user["id"] for user in turned], expected)
        turned = self.own.call("Account", "getUsers", iter=True, limit=5, filter=dict(wanted))
        self.assertEqual([user["id"] for user in turned], expected)
        at_once = self.own.cf_call("Account", "getUsers", limit=5, filter=dict(wanted))
        self.assertEqual([user["id"] for user in at_once], expected)
        everybody = self.root.call("Account", "getUsers", mask="mask[id]")
        turned = [user["id"] for user in self.root.iter_call("Account", "getUsers", limit=5)]
        self.assertEqual(turned, [user["id"] for user in everybody])
        self.assertEqual(everybody.total_count, len(everybody))
        self.assertGreaterEqual(len(turned), 16)

    def test_every_list_tells_how_many_there_are(self):
        number = self.boss["id"]
        for service, method, options in [
            ("Account", "getUsers", {}), (USER, "getChildUsers", {"id": number}), (USER, "getPermissions", {"id": number}),
            (USER, "getApiAuthenticationKeys", {"id": number}), (USER, "getLoginAttempts", {"id": number}),
            (USER, "getHardware", {"id": number}), (USER, "getVirtualGuests", {"id": number}), (USER, "getDedicatedHosts", {"id": number}),
            (USER, "getRoles", {"id": number}), ("User_Permission_Action", "getAllObjects", {}),
            ("User_Permission_Department", "getAllObjects", {}), ("User_Customer_Status", "getAllObjects", {}),
            ("User_Security_Question", "getAllObjects", {}), ("Event_Log", "getAllObjects", {}),
        ]:
            with self.subTest(service + method):
                found = self.own.call(service, method, **options)
                self.assertEqual(found.total_count, len(found))

    def test_the_librarys_user_manager_gets_what_its_commands_print(self):
        manager = SoftLayer.UserManager(self.own)
        number = self.boss["id"]
        listed = {user["id"]: user for user in manager.list_users()}
        mine = listed[number]
        self.assertEqual((mine["username"], mine["userStatus"], mine["email"]), (self.boss["username"], {"name": "Active"}, self.boss["email"]))
        self.assertEqual((mine["hardwareCount"], mine["virtualGuestCount"], mine["externalBindingCount"], mine["apiAuthenticationKeyCount"]), (0, 0, 0, 1))
        self.assertEqual(mine["roles"], [])
        self.assertNotIn("firstName", mine)
        self.assertEqual(manager.resolve_ids(self.boss["username"]), [number])
        with self.assertRaises(SoftLayer.SoftLayerError):
            manager.resolve_ids("nobody")
        self.assertEqual(manager.get_user(number)["parent"]["username"], "root")
        self.assertEqual(manager.get_current_user()["id"], number)
        permissions = manager.get_user(number, "mask[id, permissions, isMasterUserFlag, roles]")
        self.assertEqual([one["keyName"] for one in sorted(permissions["permissions"], key=lambda one: one["keyName"])], ["TICKET_VIEW", "USER_MANAGE"])
        self.assertEqual((permissions["isMasterUserFlag"], permissions["roles"]), (False, []))
        departments = manager.get_permission_departments()
        listed = {one["keyName"] for department in departments for one in department["permissions"]}
        self.assertEqual(listed, {one["keyName"] for one in manager.get_all_permissions()})
        for department in departments:
            self.assertTrue(department["name"])
            self.assertTrue(all(one["id"] and one["name"] and one["description"] for one in department["permissions"]))
        self.assertEqual([one["keyName"] for one in manager.get_user_permissions(number)], ["TICKET_VIEW", "USER_MANAGE"])
        self.assertTrue(manager.get_logins(number))
        self.assertEqual(manager.get_logins(self.rows[0]["id"]), [])
        events = manager.get_events(number)
        self.assertTrue(events)
        for event in events:
            self.assertTrue(event["eventName"] and event["eventCreateDate"], event)
        self.assertEqual([manager.get_user_hardware(number), manager.get_user_virtuals(number), manager.get_user_dedicated_host(number)], [[], [], []])

    def test_the_account_and_its_master_user(self):
        account = self.own.call("Account", "getObject")
        self.assertIsInstance(account["id"], int)
        self.assertEqual(self.own.call(USER, "getAccount", id=self.boss["id"])["id"], account["id"])
        self.assertEqual(self.me(self.own)["accountId"], account["id"])
        self.assertEqual(self.own.call("Account", "getMasterUser")["id"], self.root_id)
        self.assertIs(self.root.call(USER, "isMasterUser", id=self.root_id), True)
        self.assertIs(self.own.call(USER, "isMasterUser", id=self.boss["id"]), False)
        self.assertIs(self.me(self.root)["isMasterUserFlag"], True)
        self.assertNotIn("parentId", self.me(self.root))
        self.assertEqual(self.root.call(USER, "getPermissions", id=self.root_id), [])

    def test_what_is_not_served_is_said(self):
        for service, method, text in [
            ("SoftLayer_Nothing", "getObject", "Service does not exist"),
            ("SoftLayer_Network_Vlan", "getObject", "Service does not exist"),
            (USER, "makeCoffee", 'Function ("makeCoffee") is not a valid method for this service.'),
            ("Account", "getHardware", 'Function ("getHardware") is not a valid method for this service.'),
        ]:
            with self.subTest(method):
                answered = self.raises(self.own.call, service, method)
                self.assertEqual(answered.text, text)
                if self.is_rest:
                    self.assertEqual((answered.status, answered.code), (404, PUBLIC))
                else:
                    self.assertEqual(answered.code, "-32601")
        for service, method in [(USER, "getObject"), (USER, "addApiAuthenticationKey"), (KEYS, "getObject"), (USER, "getChildUsers")]:
            answered = self.raises(self.own.call, service, method)
            self.assertIn("invalid method init parameters", answered.text)
            if not self.is_rest:
                self.assertEqual(answered.code, "-32602")


class AskingOverXmlRpc(Asking, XmlRpc, Face):
    def test_a_mask_may_be_a_tree(self):
        both = {"id": self.rows[1]["id"], "username": self.rows[1]["username"]}
        for leaf in ([], "", {}):
            with self.subTest(leaf):
                self.assertEqual(self.get(mask={"id": leaf, "username": leaf}), both)
                tree = {"id": leaf, "userStatus": {"name": leaf}, "parent": {"username": leaf}}
                expected = {"id": both["id"], "userStatus": {"name": "Active"}, "parent": {"username": self.boss["username"]}}
                self.assertEqual(self.get(mask=tree), expected)
        self.refused(OBJECT_MASK, f"Property 'colour' not valid for '{USER}'.", None, self.get, mask={"colour": []})

    def test_faults_become_the_exceptions_that_the_library_has_for_them(self):
        with self.assertRaises(SoftLayer.exceptions.MethodNotFound):
            self.own.call(USER, "makeCoffee")
        with self.assertRaises(SoftLayer.exceptions.InvalidMethodParameters):
            self.own.call(USER, "getObject")


class AskingOverRest(Asking, Rest, Face):
    pass


if __name__ == "__main__":
    unittest.main()
