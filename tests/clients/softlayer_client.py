"""Drives keytower with the PyPI package SoftLayer, unmodified, over XML-RPC and REST: credentials and logins.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root. `SecondFactor` wants a service whose
clock goes on, `Locked` one whose clock stands still.
"""

import re
import time
import unittest

import pyotp
from SoftLayer.auth import BasicHTTPAuthentication

from softlayer_support import INVALID, KEYS, PASSWORD, PUBLIC, ROOT_PASSWORD, USER, Face, Rest, XmlRpc, graphql, graphql_login, mint

LOGIN_FAILED = "SoftLayer_Exception_User_Customer_LoginFailed"
BAD_STATUS = "SoftLayer_Exception_User_Customer_InvalidUserStatus"
BAD_ANSWER = "SoftLayer_Exception_User_Customer_InvalidSecurityQuestionAnswer"
LOCKED = "SoftLayer_Exception_User_Customer_AccountLocked"


class Credentials:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada = cls.make(stem="ada")
        cls.username = cls.ada["username"]
        cls.own = cls.log_in(cls.username)
        cls.key = cls.add_key(cls.own, cls.ada)

    def test_a_key_goes_with_its_users_name(self):
        self.works(self.with_key(self.username, self.key), self.username)

    def test_a_key_alone_says_whose_it_is(self):
        self.works(self.with_key("apikey", self.key), self.username)

    def test_a_portal_token_goes_with_its_users_number(self):
        number, text = self.token(self.username, PASSWORD)
        self.assertEqual(number, self.ada["id"])
        self.works(self.with_token(number, text), self.username)

    def test_a_portal_token_goes_in_the_place_of_a_key(self):
        _, text = self.token(self.username, PASSWORD)
        self.works(self.with_key(self.username, text), self.username)

    def test_any_credential_goes_as_a_bearer(self):
        token = graphql_login(self.username, PASSWORD)
        for text in (self.key, self.token(self.username, PASSWORD)[1], token, mint(token)):
            self.works(self.with_bearer(text), self.username)

    def test_the_older_version_of_the_endpoint_is_the_same(self):
        client = self.client(self.key_auth(self.username, self.key), self.older)
        self.works(client, self.username)
        self.assertEqual(client.call(USER, "getObject", id=self.ada["id"])["username"], self.username)

    def test_without_a_credential_the_call_is_refused(self):
        for call in (self.me, lambda client: client.call(USER, "getObject", id=self.ada["id"])):
            if self.is_rest:
                self.refused(PUBLIC, "Access Denied. ", 401, call, self.client())
            else:
                self.refused("SoftLayer_Exception", "No valid authentication headers found.", None, call, self.client())

    def test_wrong_keys_and_unknown_users_look_alike(self):
        other = self.make(stem="bob")
        others = self.add_key(self.root, other)
        last = "b" if self.key[-1] == "a" else "a"
        minted = mint(graphql_login("root", ROOT_PASSWORD))
        for username, key in [
            (self.username, "0" * 64), (self.username, self.key[:-1] + last), (self.username, self.key.upper()),
            (self.username, self.key[:-1]), (self.username, self.key + "a"), (self.username, f" {self.key}"),
            (self.username, "x"), (self.username, others), (self.username, minted), (self.username, PASSWORD),
            (self.username.upper(), self.key), ("nobody", self.key), ("apikey", "0" * 64), ("apikey", PASSWORD),
            ("root", self.key), (str(self.ada["id"]), "0" * 64), ("root' OR '1'='1", self.key), ("ädä", "schlüssel"),
        ]:
            with self.subTest(username=username, key=key):
                self.no_such_key(self.me, self.with_key(username, key))

    def test_wrong_portal_tokens_look_alike(self):
        number, text = self.token(self.username, PASSWORD)
        for user_id, shown in [(number, "0" * len(text)), (number, text[:-1]), (number, "x"), (self.root_id, text), (0, text), (2**31 - 1, text)]:
            with self.subTest(user_id=user_id, shown=shown):
                self.no_such_token(self.me, self.with_token(user_id, shown))
        self.works(self.with_token(number, text), self.username)

    def test_a_key_works_from_the_addresses_of_its_rule_only(self):
        user = self.make(stem="restricted")
        own = self.log_in(user["username"])
        key = self.add_key(own, user)
        record = self.record(own, user)
        for rule, admits in [
            ("192.0.2.0/24", False), ("127.0.0.0/8", True), ("::1", False), ("::ffff:127.0.0.1", True), ("127.0.0.1", True),
            ("127.0.0.2", False), ("192.0.2.1,127.0.0.1", True), ("192.0.2.1, 127.0.0.0/8", True), ("2001:db8::/32", False),
            ("127.0.0.1/32", True), ("", True),
        ]:
            with self.subTest(rule):
                edited = own.call(KEYS, "editObject", {"ipAddressRestriction": rule}, id=record["id"])
                self.assertEqual(edited.get("ipAddressRestriction", ""), rule)
                for client in (self.with_key(user["username"], key), self.with_key("apikey", key)):
                    if admits:
                        self.works(client, user["username"])
                    elif self.is_rest:
                        self.refused(PUBLIC, re.compile(r"^(Access Denied\. |Unauthorized IP Address!)$"), 401, self.me, client)
                    else:
                        self.refused(PUBLIC, "Unauthorized IP Address!", None, self.me, client)

    def test_a_key_of_the_other_kind_reads_and_changes_nothing(self):
        minted = mint(graphql_login("root", ROOT_PASSWORD))
        child = self.make(stem="child")
        self.add_key(self.root, child)
        key_id = self.record(self.root, child)["id"]
        permissions = [{"keyName": "TICKET_VIEW"}]
        for client in (self.with_key("root", minted), self.with_key("apikey", minted), self.with_bearer(minted)):
            self.works(client, "root")
            self.assertEqual(self.record(client, child)["id"], key_id)
            template = {"username": self.name("none"), "email": "none@example.com"}
            for service, method, arguments, number in [
                (USER, "addApiAuthenticationKey", (), self.root_id),
                (USER, "addApiAuthenticationKey", (), child["id"]),
                (USER, "removeApiAuthenticationKey", (key_id,), None),
                (KEYS, "editObject", ({"ipAddressRestriction": "192.0.2.1"},), key_id),
                (USER, "editObject", ({"firstName": "Eve"},), child["id"]),
                (USER, "editObjects", ([{"id": child["id"], "firstName": "Eve"}],), None),
                (USER, "createObject", (template, PASSWORD, None), None),
                ("Account", "createUser", (template, PASSWORD, None, True), None),
                (USER, "addBulkPortalPermission", (permissions,), child["id"]),
                (USER, "removeBulkPortalPermission", (permissions,), child["id"]),
                (USER, "assignNewParentId", (self.root_id,), child["id"]),
                (USER, "isValidPortalPassword", (PASSWORD,), self.root_id),
                (USER, "selfPasswordChange", (ROOT_PASSWORD, PASSWORD), None),
            ]:
                with self.subTest(method):
                    options = {} if number is None else {"id": number}
                    self.denied(client.call, service, method, *arguments, **options)
        self.assertEqual(self.record(self.root, child)["ipAddressRestriction"], "")
        self.assertEqual(self.keys_of(self.root, {"id": self.root_id}), [])


class CredentialsOverXmlRpc(Credentials, XmlRpc, Face):
    def call_with(self, authenticate, auth=None):
        return self.me(self.client(auth), headers={"authenticate": authenticate})

    def test_a_header_that_names_no_credential_in_full_is_none(self):
        good = BasicHTTPAuthentication("apikey", self.key)
        number, text = self.token(self.username, PASSWORD)
        for shown in [
            {}, {"username": self.username}, {"apiKey": self.key}, {"userId": number}, {"authToken": text},
            {"username": "", "apiKey": ""}, {"complexType": "PortalLoginToken"}, {"username": self.username, "authToken": text},
            {"username": None, "apiKey": None},
        ]:
            for auth in (None, good):
                with self.subTest(shown=shown, auth=auth):
                    text_of = "No valid authentication headers found."
                    self.refused("SoftLayer_Exception", text_of, None, self.call_with, shown, auth)

    def test_a_header_in_the_call_wins_over_that_of_http(self):
        right = {"username": self.username, "apiKey": self.key}
        self.assertEqual(self.call_with(right, BasicHTTPAuthentication("root", "wrong"))["username"], self.username)
        wrong = {"username": self.username, "apiKey": "0" * 64}
        self.no_such_key(self.call_with, wrong, BasicHTTPAuthentication("apikey", self.key))

    def test_a_token_is_known_by_its_members_and_not_by_its_type(self):
        number, text = self.token(self.username, PASSWORD)
        for shown in [
            {"userId": number, "authToken": text}, {"userId": str(number), "authToken": text},
            {"userId": number, "authToken": text, "username": "", "apiKey": ""},
        ]:
            self.assertEqual(self.call_with(shown)["username"], self.username)

    def test_the_librarys_own_login_stays_logged_in(self):
        client = self.client()
        number, text = client.authenticate_with_password(self.username, PASSWORD)
        self.assertEqual(number, self.ada["id"])
        self.works(client, self.username)
        self.works(self.with_token(number, text), self.username)

    def test_unknown_headers_are_passed_over(self):
        headers = {"User-Agent": "softlayer-go", "clientLegacySession": {"userId": 1}, "nothing": None}
        client = self.with_key(self.username, self.key)
        self.assertEqual(self.me(client, headers=headers)["username"], self.username)


class CredentialsOverRest(Credentials, Rest, Face):
    def test_the_librarys_own_login_gives_a_token_that_the_library_can_not_show(self):
        client = self.client()
        number, text = client.authenticate_with_password(self.username, PASSWORD)
        # It sends `?authenticate=userId`, without the values.
        self.refused(PUBLIC, "Access Denied. ", 401, self.me, client)
        self.works(self.with_token(number, text), self.username)


class Login:
    def ask(self, *arguments):
        return self.client().call(USER, "getPortalLoginToken", *arguments)

    def test_a_login_answers_number_and_token(self):
        user = self.make(stem="login")
        for arguments in ((), (None,), (None, None)):
            answer = self.ask(user["username"], PASSWORD, *arguments)
            self.assertEqual(answer["userId"], user["id"])
            self.assertIsInstance(answer["hash"], str)
            self.assertGreaterEqual(len(answer["hash"]), 32)
            self.works(self.with_token(answer["userId"], answer["hash"]), user["username"])

    def test_each_login_has_a_token_of_its_own(self):
        user = self.make(stem="login")
        one, two = self.token(user["username"], PASSWORD), self.token(user["username"], PASSWORD)
        self.assertNotEqual(one, two)
        for token in (one, two):
            self.works(self.with_token(*token), user["username"])

    def test_a_wrong_password_and_a_wrong_name_look_alike(self):
        user = self.make(stem="login")
        text = "Invalid login credentials provided."
        for username, password in [
            (user["username"], "not " + PASSWORD), (user["username"], ""), (user["username"], PASSWORD.upper()),
            (self.name("nobody"), PASSWORD), ("", ""), (self.name("nobody") + "' OR '1'='1", PASSWORD),
        ]:
            with self.subTest(username=username, password=password):
                self.refused(LOGIN_FAILED, text, 500, self.ask, username, password)
        self.ask(user["username"], PASSWORD)

    def test_what_lacks_a_name_or_a_password_is_refused(self):
        for arguments in [(), ("root",), (None, None), ("root", None), ({"a": 1}, ["b"])]:
            with self.subTest(arguments):
                answered = self.raises(self.ask, *arguments)
                self.assertNotIn(ROOT_PASSWORD, answered.text)

    def test_who_is_not_active_is_told_so_with_the_right_password_only(self):
        for state in ("DISABLED", "INACTIVE", "PENDING", "SUSPENDED", "CANCEL_PENDING", "VPN_ONLY"):
            with self.subTest(state):
                user = self.make(stem=state.lower())
                self.put(self.root, user, state)
                text = re.compile(rf"^User account is currently {state.lower()}\.?$")
                self.refused(BAD_STATUS, text, 500, self.ask, user["username"], PASSWORD)
                self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, user["username"], "not it, no")

    def test_the_users_own_address_rule_is_for_logins(self):
        user = self.make(stem="at-home")
        key = self.add_key(self.root, user)
        change = lambda rule: self.root.call(USER, "editObject", {"ipAddressRestriction": rule}, id=user["id"])
        self.assertIs(change("192.0.2.0/24, 2001:db8::/32"), True)
        self.refused(PUBLIC, "Unauthorized IP Address!", 500, self.ask, user["username"], PASSWORD)
        # It is not the key's.
        self.works(self.with_key(user["username"], key), user["username"])
        self.assertIs(change("127.0.0.0/8"), True)
        self.ask(user["username"], PASSWORD)
        self.refused(INVALID, None, 500, change, "my house")
        self.assertIs(change(""), True)
        self.ask(user["username"], PASSWORD)

    def test_a_user_without_a_password_can_not_log_in(self):
        user = self.make(stem="silent", password=None)
        for password in ("", "None", PASSWORD):
            self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, user["username"], password)
        key = self.add_key(self.root, user)
        self.works(self.with_key(user["username"], key), user["username"])

    def test_a_security_question_is_asked_of_whoever_wants_it(self):
        user = self.make(stem="careful")
        own = self.log_in(user["username"])
        questions = self.client().call("User_Security_Question", "getAllObjects")
        self.assertGreaterEqual(len(questions), 3)
        self.assertTrue(all(question["question"] and question["id"] for question in questions))
        ids = [{"id": question["id"]} for question in questions[:3]]
        answers = ["Rex", "Oslo", "green"]
        update = lambda who, *told: who.call(USER, "updateSecurityAnswers", *told)
        for told, text in [
            (([ids[0], ids[0], ids[1]], answers), "Please provide three different security questions."),
            ((ids[:2], answers[:2]), "Please provide three different security questions."),
            ((ids, ["Rex", "Rex", "green"]), "Please provide three unique security question answers."),
            ((ids[:2] + [{"id": 999999}], answers), "Please provide valid security questions."),
        ]:
            with self.subTest(text):
                self.refused(PUBLIC, text, 500, update, own, *told)
        key = self.add_key(own, user)
        self.raises(update, self.with_key(user["username"], key), ids, answers)
        self.assertIs(update(own, ids, answers), True)
        self.ask(user["username"], PASSWORD)
        self.assertIs(own.call(USER, "editObject", {"secondaryLoginRequiredFlag": True}, id=user["id"]), True)
        text = "Invalid answer provided for security question."
        name, first = user["username"], ids[0]["id"]
        for told in [(), (first, "Bello"), (first, None), (None, "Rex"), (ids[1]["id"], "Rex")]:
            with self.subTest(told):
                self.refused(BAD_ANSWER, text, 500, self.ask, name, PASSWORD, *told)
                # A right one in between, so that nobody is locked out.
                self.ask(name, PASSWORD, first, "Rex")
        self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, name, "not " + PASSWORD, first, "Rex")
        self.unknown_to("Rex", own.call(USER, "getSecurityAnswers", id=user["id"]), self.me(own, mask="mask[securityAnswers[question]]"))

    def test_every_attempt_is_kept_newest_first(self):
        user = self.make(stem="watched")
        self.ask(user["username"], PASSWORD)
        self.raises(self.ask, user["username"], "not " + PASSWORD)
        own = self.log_in(user["username"])
        attempts = own.call(USER, "getLoginAttempts", id=user["id"])
        self.assertEqual([attempt["successFlag"] for attempt in attempts], [True, False, True])
        for attempt in attempts:
            self.assertEqual((attempt["ipAddress"], attempt["userId"], attempt["username"]), ("127.0.0.1", user["id"], user["username"]))
            self.assertRegex(attempt["createDate"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$")
        right = own.call(USER, "getSuccessfulLogins", id=user["id"])
        wrong = own.call(USER, "getUnsuccessfulLogins", id=user["id"])
        self.assertEqual((len(right), len(wrong)), (2, 1))
        self.assertEqual(len(self.root.call(USER, "getLoginAttempts", id=user["id"], limit=2)), 2)
        self.not_found(user["id"], self.log_in(self.make(stem="nosy")["username"]).call, USER, "getLoginAttempts", id=user["id"])

    def test_a_token_is_validated(self):
        user = self.make(stem="login")
        number, text = self.token(user["username"], PASSWORD)
        validate = lambda token: self.client().call(USER, "validateAuthenticationToken", token)
        self.assertEqual(validate({"userId": number, "hash": text})["userId"], number)
        for wrong in [{"userId": number, "hash": "0" * len(text)}, {"userId": self.root_id, "hash": text}, {}, None]:
            with self.subTest(wrong):
                self.raises(validate, wrong)

    def test_another_password_ends_the_other_tokens(self):
        user = self.make(stem="changing")
        key = self.add_key(self.root, user)
        other, own = self.log_in(user["username"]), self.log_in(user["username"])
        change = lambda who, *told: who.call(USER, "selfPasswordChange", *told)
        new = "another password of theirs"
        self.denied(change, self.with_key(user["username"], key), PASSWORD, new)
        self.raises(change, own, "not " + PASSWORD, new)
        for weak in ("short", "password", user["username"], PASSWORD, ""):
            self.raises(change, own, PASSWORD, weak)
        self.works(other, user["username"])
        self.assertIsNone(change(own, PASSWORD, new))
        self.no_such_token(self.me, other)
        self.refused(LOGIN_FAILED, None, 500, self.ask, user["username"], PASSWORD)
        self.works(self.log_in(user["username"], new), user["username"])
        self.works(self.with_key(user["username"], key), user["username"])

    def test_the_requirements_of_a_password_are_told(self):
        told = self.root.call(USER, "getPasswordRequirements", False)
        self.assertEqual(int(told["minLength"]), 8)
        self.assertGreaterEqual(int(told["maxLength"]), 23)

    def test_a_login_that_answers_instead_of_failing(self):
        user = self.make(stem="native")
        kind = "SoftLayer_Container_Authentication_Request_Native"
        ask = lambda password: self.client().call(
            USER, "getLoginToken", {"complexType": kind, "username": user["username"], "password": password})
        right = ask(PASSWORD)
        self.assertRegex(right["complexType"], "_Success$")
        self.works(self.with_token(right["token"]["userId"], right["token"]["hash"]), user["username"])
        wrong = ask("not " + PASSWORD)
        self.assertRegex(wrong["complexType"], "_LoginFailed$")
        self.assertEqual(wrong["errorMessage"], "Invalid login credentials provided.")
        self.assertNotIn("token", wrong)
        self.root.call(USER, "editObject", {"ipAddressRestriction": "192.0.2.1"}, id=user["id"])
        elsewhere = ask(PASSWORD)
        self.assertRegex(elsewhere["complexType"], "_IpAddressRestrictionCheckNeeded$")
        self.assertNotIn("token", elsewhere)
        self.assertEqual(len({answer["statusKeyName"] for answer in (right, wrong, elsewhere)}), 3)


class LoginOverXmlRpc(Login, XmlRpc, Face):
    pass


class LoginOverRest(Login, Rest, Face):
    pass


class Locked:
    def test_guesses_are_held_off_and_tokens_and_keys_are_not(self):
        user = self.make(stem="guessed")
        own = self.log_in(user["username"])
        key = self.add_key(own, user)
        ask = lambda password: self.client().call(USER, "getPortalLoginToken", user["username"], password)
        judged, text = 0, "Account has been locked for 30 minutes."
        for number in range(40):
            answered = self.raises(ask, f"guess number {number}")
            if answered.code == LOCKED:
                break
            self.assertEqual(answered.code, LOGIN_FAILED)
            judged += 1
        self.assertLessEqual(judged, 20)
        # Nor is the right one judged now.
        for password in ("one more guess", PASSWORD):
            self.refused(LOCKED, text, 500, ask, password)
        self.works(own, user["username"])
        self.works(self.with_key(user["username"], key), user["username"])


class LockedOverXmlRpc(Locked, XmlRpc, Face):
    pass


class LockedOverRest(Locked, Rest, Face):
    pass


class SecondFactor:
    """With an authenticator app. Codes of the step before, of the present one and of the next are good, and each step once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.make(stem="careful")
        cls.own = cls.log_in(cls.user["username"])
        cls.key = cls.add_key(cls.own, cls.user)
        token = graphql_login(cls.user["username"], PASSWORD)
        enroll = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }"
        cls.app = pyotp.TOTP(graphql(enroll, {"data": {"password": PASSWORD}}, token)["enrollTotp"]["secret"])
        # The three codes of a test are computed from the same step, which must last for a while.
        left = 30 - time.time() % 30
        if left < 15:
            time.sleep(left)
        cls.now = int(time.time())
        confirm = "mutation($data: CodeInput!) { confirmTotp(data: $data) { recovery_codes } }"
        graphql(confirm, {"data": {"code": cls.app.at(cls.now - 30)}}, token)

    def binding(self, code, kind="Totp"):
        return {
            "complexType": f"SoftLayer_Container_User_Customer_External_Binding_{kind}", "username": self.user["username"],
            "password": PASSWORD, "vendor": "TOTP", "securityCode": code,
        }

    def login(self, code=None):
        kind = "SoftLayer_Container_Authentication_Request_Native"
        request = {"complexType": kind, "username": self.user["username"], "password": PASSWORD}
        if code is not None:
            request.update(complexType=kind + "_External_Totp", securityCode=code)
        return self.client().call(USER, "getLoginToken", request)

    def test_a_code_is_needed_and_works_once_and_the_key_goes_on_working(self):
        name = self.user["username"]
        present, following = self.app.at(self.now), self.app.at(self.now + 30)
        plain = self.raises(self.client().call, USER, "getPortalLoginToken", name, PASSWORD)
        self.assertNotIn("hash", plain.text)
        perform = lambda code: self.client().call(USER, "performExternalAuthentication", self.binding(code))
        wrong = next(f"{number:06}" for number in range(10) if f"{number:06}" not in (present, following, self.app.at(self.now - 30)))
        failed = "Invalid login credentials provided."
        self.assertEqual(self.raises(perform, wrong).text, failed)
        token = perform(present)
        self.works(self.with_token(token["userId"], token["hash"]), name)
        self.assertEqual(self.raises(perform, present).text, failed)
        asked = self.login()
        self.assertRegex(asked["complexType"], "_2FactorAuthenticationNeeded$")
        self.assertNotIn("token", asked)
        self.assertRegex(self.login(present)["complexType"], "_LoginFailed$")
        right = self.login(following)
        self.assertRegex(right["complexType"], "_Success$")
        self.works(self.with_token(right["token"]["userId"], right["token"]["hash"]), name)
        self.works(self.with_key(name, self.key), name)
        self.works(self.with_key("apikey", self.key), name)
        user = self.root.call(USER, "getObject", id=self.user["id"], mask="mask[externalBindingCount, externalBindings]")
        self.assertEqual((user["externalBindingCount"], len(user["externalBindings"])), (1, 1))
        self.unknown_to(self.app.secret, user)


class SecondFactorOverXmlRpc(SecondFactor, XmlRpc, Face):
    pass


class SecondFactorOverRest(SecondFactor, Rest, Face):
    pass


if __name__ == "__main__":
    unittest.main()
