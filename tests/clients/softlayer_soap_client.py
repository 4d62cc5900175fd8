"""Drives keytower over SOAP: with the last release of the PyPI package SoftLayer that speaks it, unmodified, and with zeep alone.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root. People are made over XML-RPC, with
the same old library. `SecondFactor` wants a service whose clock goes on. What zeep keeps of a WSDL goes to a folder of its own.
"""

import os
import tempfile
import time
import unittest

# Before zeep's cache is made: it would outlive the service that it describes.
scratch = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = scratch.name

import pyotp
import SoftLayer
import zeep
from SoftLayer.auth import BasicHTTPAuthentication
from SoftLayer.transports.soap import SoapTransport
from zeep import xsd
from zeep.helpers import serialize_object
from zeep.xsd import SkipValue

from softlayer_support import KEY, KEYS, NO_KEY_ID, PASSWORD, PUBLIC, SERVICE, USER, Face, XmlRpc, graphql, graphql_login

ACCOUNT = "SoftLayer_Account"
FAILED = "Invalid login credentials provided."


def short(value):
    """What is set of what zeep read: its objects name every property that there could be."""
    value = serialize_object(value, dict)
    if isinstance(value, dict):
        return {name: short(inner) for name, inner in value.items() if inner is not None}
    return [short(inner) for inner in value] if isinstance(value, list) else value


class Transported(XmlRpc, Face):
    """The library's own SoapTransport, which sends no arguments."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls.make(stem="boss", permissions=["USER_MANAGE"])
        cls.own = cls.log_in(cls.boss["username"])
        cls.key = cls.add_key(cls.own, cls.boss)
        cls.stem = cls.name("soap")
        cls.rows = [cls.own.call(USER, "createObject", {"username": f"{cls.stem}-{number}", "email": "row@example.com"}, None, None) for number in range(5)]

    def soap(self, username=None, key=None):
        auth = BasicHTTPAuthentication(username or self.boss["username"], key or self.key)
        return SoftLayer.BaseClient(auth=auth, transport=SoapTransport(endpoint_url=SERVICE + "/soap/v3.1"))

    def test_the_current_user_and_the_account(self):
        me = self.soap().call("Account", "getCurrentUser")
        self.assertEqual((me["id"], me["username"], me["parentId"], me["isMasterUserFlag"]), (self.boss["id"], self.boss["username"], self.root_id, False))
        self.assertIsNone(me["city"])
        self.assertIsNone(me["userStatus"])
        account = self.soap().call("Account", "getObject")
        self.assertEqual(account["id"], me["accountId"])
        self.assertEqual(self.soap("apikey").call("Account", "getCurrentUser")["username"], self.boss["username"])

    def test_an_object_with_a_mask(self):
        user = self.soap().call("User_Customer", "getObject", id=self.rows[0]["id"], mask="mask[id,username,userStatus[keyName],parent[username],childUserCount]")
        self.assertEqual(short(user), {
            "id": self.rows[0]["id"], "username": self.rows[0]["username"], "userStatus": {"keyName": "ACTIVE"},
            "parent": {"username": self.boss["username"]}, "childUserCount": 0,
        })
        self.assertEqual(short(self.soap().call(USER, "getObject", id=self.boss["id"], mask="id,username")), {"id": self.boss["id"], "username": self.boss["username"]})
        record = self.record(self.own, self.boss)
        # Empty text is nothing to zeep.
        told = {name: value for name, value in record.items() if value != ""}
        self.assertEqual(short(self.soap().call(KEYS, "getObject", id=record["id"])), told)

    def test_lists_with_mask_filter_and_limit(self):
        wanted = {"users": {"username": {"operation": f"^= {self.stem}"}}}
        names = lambda found: [user["username"] for user in found]
        expected = [f"{self.stem}-{number}" for number in range(5)]
        soap = self.soap()
        self.assertEqual(names(soap.call("Account", "getUsers", filter=wanted, mask="mask[username]")), expected)
        self.assertEqual(names(soap.call("Account", "getUsers", filter=wanted, limit=2, offset=1)), expected[1:3])
        self.assertGreaterEqual(len(soap.call("Account", "getUsers")), 6)
        keys = [{name: value for name, value in key.items() if value != ""} for key in self.keys_of(self.own, self.boss)]
        self.assertEqual(short(soap.call(USER, "getApiAuthenticationKeys", id=self.boss["id"])), keys)
        nested = soap.call("Account", "getUsers", filter=wanted, mask="mask[id,parent[id,apiAuthenticationKeys[authenticationKey]]]", limit=1, offset=0)
        self.assertEqual(short(nested), [{"id": self.rows[0]["id"], "parent": {"id": self.boss["id"], "apiAuthenticationKeys": [{"authenticationKey": self.key}]}}])

    def test_the_text_of_a_key_is_shown_to_nobody_else(self):
        child = self.make(self.own, "child")
        key = self.add_key(self.log_in(child["username"]), child)
        for found in [
            self.soap().call(USER, "getApiAuthenticationKeys", id=child["id"]),
            self.soap().call("Account", "getUsers", mask="mask[id,apiAuthenticationKeys[authenticationKey]]"),
            self.soap().call(USER, "getObject", id=child["id"], mask="apiAuthenticationKeys"),
        ]:
            self.unknown_to(key, short(found))
        for sign in ("^= ", "^= not", "*= ", ""):
            wanted = {"users": {"apiAuthenticationKeys": {"authenticationKey": {"operation": sign + key[:6]}}}}
            with self.subTest(sign):
                found = self.soap().call("Account", "getUsers", filter=wanted)
                self.assertEqual(len(found), len(self.soap().call("Account", "getUsers")))

    def test_a_refusal_is_a_fault(self):
        for username, key in [(self.boss["username"], "0" * 64), ("nobody", self.key), ("apikey", "0" * 64)]:
            with self.assertRaises(zeep.exceptions.Fault) as refused:
                self.soap(username, key).call("Account", "getCurrentUser")
            self.assertEqual((refused.exception.code, refused.exception.message), ("SoftLayer_Exception", "Invalid API token."))
        with self.assertRaises(zeep.exceptions.Fault) as refused:
            self.soap().call(USER, "getObject", id=999999)
        self.assertEqual((refused.exception.code, refused.exception.message), ("SoftLayer_Exception_ObjectNotFound", "Unable to find object with id of '999999'."))
        with self.assertRaises(SoftLayer.exceptions.TransportError):
            self.soap().call(USER, "makeCoffee")


class Bare(XmlRpc, Face):
    """zeep alone: what the library's transport leaves out are arguments, portal tokens and calls that show nothing."""

    version = "v3.1"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.namespace = f"http://api.service.softlayer.com/soap/{cls.version}/"
        cls.services = {}
        cls.boss = cls.make(stem="boss", permissions=["USER_MANAGE", "TICKET_VIEW"])
        cls.number = cls.boss["id"]
        _, cls.text = cls.token(cls.boss["username"], PASSWORD)

    @classmethod
    def soap(cls, service=USER):
        if service not in cls.services:
            made = zeep.Client(f"{SERVICE}/soap/{cls.version}/{service}?wsdl", settings=zeep.Settings(strict=False))
            cls.addClassCleanup(made.transport.session.close)
            cls.services[service] = made
        return cls.services[service]

    def header(self, service, name, type_name=None, **members):
        made = self.soap(service).get_type(f"{{{self.namespace}}}{type_name or name}")
        return xsd.Element(f"{{{self.namespace}}}{name}", made)(**members)

    def shown(self, service=USER):
        return self.header(service, "authenticate", "PortalLoginToken", userId=self.number, authToken=self.text, username="", apiKey="")

    def call(self, method, *arguments, service=USER, number=None, headers=(), shown=True, **named):
        """A call, by default with the boss's portal token: what was answered, without its wrapping."""
        told = list(headers)
        if shown:
            told.append(self.shown(service))
        if number is not None:
            told.append(self.header(service, f"{service}InitParameters", id=number))
        return self.unwrapped(method, getattr(self.soap(service).service, method)(*arguments, _soapheaders=told or None, **named))

    @staticmethod
    def unwrapped(method, answer):
        body = getattr(answer, "body", answer)
        return getattr(body, f"{method}Return", body)

    def of_type(self, name, **members):
        return self.soap().get_type(f"{{{self.namespace}}}{name}")(**members)

    def user(self, **members):
        return self.of_type(USER, **members)

    def many(self, name, *values, service=USER):
        """A list as an argument, which zeep wants to be told."""
        return self.soap(service).get_type(f"{{{self.namespace}}}{name}")(list(values))

    def log_me_in(self, username, password, **options):
        # What is left out has to be named: it is not sent then.
        return self.call("getPortalLoginToken", username, password, SkipValue, SkipValue, shown=False, **options)

    def faults(self, code, text, call, *arguments, **named):
        with self.assertRaises(zeep.exceptions.Fault) as refused:
            call(*arguments, **named)
        self.assertEqual((refused.exception.code, refused.exception.message), (code, text))

    def create(self, stem="new", **members):
        name = self.name(stem)
        return self.call("createObject", self.user(username=name, email=f"{name}@example.com", **members), PASSWORD, SkipValue)


class Calls:
    def test_a_login_and_its_token(self):
        answer = self.log_me_in(self.boss["username"], PASSWORD)
        self.assertEqual(answer.userId, self.number)
        shown = self.header(USER, "authenticate", "PortalLoginToken", userId=answer.userId, authToken=answer.hash, username="", apiKey="")
        user = self.call("getObject", shown=False, number=self.number, headers=[shown])
        self.assertEqual(user.username, self.boss["username"])
        # By name, as SOAP has it; the rest may lack.
        answer = self.call("getPortalLoginToken", shown=False, password=PASSWORD, username=self.boss["username"], securityQuestionId=SkipValue, securityQuestionAnswer=SkipValue)
        self.assertEqual(answer.userId, self.number)
        code = "SoftLayer_Exception_User_Customer_LoginFailed"
        self.faults(code, FAILED, self.log_me_in, self.boss["username"], "not " + PASSWORD)
        self.log_me_in(self.boss["username"], PASSWORD)

    def test_what_shows_nothing_or_the_wrong_thing_is_refused(self):
        self.faults("SoftLayer_Exception", "No valid authentication headers found.", self.call, "getObject", number=self.number, shown=False)
        wrong = self.header(USER, "authenticate", "PortalLoginToken", userId=self.number, authToken="0" * len(self.text), username="", apiKey="")
        code = "SoftLayer_Exception_InvalidLegacyToken"
        self.faults(code, "Invalid authentication token.", self.call, "getObject", number=self.number, headers=[wrong], shown=False)
        wrong = self.header(USER, "authenticate", username=self.boss["username"], apiKey="0" * 64)
        self.faults("SoftLayer_Exception", "Invalid API token.", self.call, "getObject", number=self.number, headers=[wrong], shown=False)
        half = self.header(USER, "authenticate", username=self.boss["username"], apiKey="")
        self.faults("SoftLayer_Exception", "No valid authentication headers found.", self.call, "getObject", number=self.number, headers=[half], shown=False)
        self.faults(PUBLIC, "server error. invalid method init parameters", self.call, "getObject")

    def test_headers_as_the_wsdl_declares_them(self):
        child = self.create()
        key = self.call("addApiAuthenticationKey", number=child.id)
        headers = {"authenticate": {"username": child.username, "apiKey": key}, f"{USER}InitParameters": {"id": child.id}}
        answer = self.unwrapped("getObject", self.soap().service.getObject(_soapheaders=headers))
        self.assertEqual(answer.username, child.username)
        headers[f"{USER}InitParameters"]["id"] = 999999
        self.faults("SoftLayer_Exception_ObjectNotFound", "Unable to find object with id of '999999'.", self.soap().service.getObject, _soapheaders=headers)

    def test_a_key_is_made_read_edited_and_removed(self):
        child = self.create()
        key = self.call("addApiAuthenticationKey", number=child.id)
        self.assertRegex(key, f"^{KEY.pattern}$")
        self.works(self.with_key(child.username, key), child.username)
        self.faults(PUBLIC, "Each user can only have a single API key.", self.call, "addApiAuthenticationKey", number=child.id)
        (record,) = self.call("getApiAuthenticationKeys", number=child.id)
        self.assertEqual((record.userId, record.authenticationKey), (child.id, None))
        edited = self.call("editObject", {"ipAddressRestriction": "192.0.2.0/24"}, service=KEYS, number=record.id)
        self.assertEqual((edited.id, edited.ipAddressRestriction, edited.authenticationKey), (record.id, "192.0.2.0/24", None))
        self.raises(self.me, self.with_key(child.username, key))
        self.faults(PUBLIC, NO_KEY_ID, self.call, "removeApiAuthenticationKey", 999999)
        self.assertIs(self.call("removeApiAuthenticationKey", record.id), True)
        self.assertFalse(self.call("getApiAuthenticationKeys", number=child.id))
        own = self.call("addApiAuthenticationKey", number=self.number)
        (record,) = self.call("getApiAuthenticationKeys", number=self.number)
        self.assertEqual(record.authenticationKey, own)
        self.assertIs(self.call("removeApiAuthenticationKey", keyId=record.id, headers=[self.header(USER, f"{USER}InitParameters", id=self.number)]), True)
        self.dead_key(self.boss["username"], own)

    def test_users_are_made_and_edited(self):
        child = self.create(firstName="Ada", lastName="<Söhne> & Co", timezoneId=114, sslVpnAllowedFlag=True)
        self.assertEqual((child.parentId, child.firstName, child.lastName, child.timezoneId, child.sslVpnAllowedFlag), (self.number, "Ada", "<Söhne> & Co", 114, True))
        self.works(self.log_in(child.username), child.username)
        self.assertIs(self.call("editObject", self.user(city="Göteborg"), number=child.id), True)
        user = self.call("getObject", number=child.id)
        self.assertEqual((user.city, user.firstName, user.address1, user.userStatus), ("Göteborg", "Ada", None, None))
        self.assertIs(self.call("editObject", self.user(userStatusId=1002), number=child.id), True)
        mask = self.header(USER, "SoftLayer_ObjectMask", mask="mask[id,userStatus[name]]")
        self.assertEqual(short(self.call("getObject", number=child.id, headers=[mask])), {"id": child.id, "userStatus": {"name": "Disabled"}})
        with self.assertRaises(zeep.exceptions.Fault) as refused:
            self.call("createObject", self.user(username=child.username, email="twice@example.com"), PASSWORD, SkipValue)
        self.assertEqual(refused.exception.code, "SoftLayer_Exception_InvalidValue")
        self.assertIs(self.call("editObjects", self.many(f"{USER}Array", self.user(id=child.id, userStatusId=1001, city="Oslo"))), True)
        self.assertEqual(self.call("getObject", number=child.id).city, "Oslo")

    def test_permissions_take_lists(self):
        child = self.create()
        kind = "SoftLayer_User_Customer_CustomerPermission_Permission"
        one, two = (self.of_type(kind, keyName=name) for name in ("TICKET_VIEW", "USER_MANAGE"))
        self.assertIs(self.call("addBulkPortalPermission", self.many(kind + "Array", one, two), number=child.id), True)
        held = lambda: sorted(permission.keyName for permission in self.call("getPermissions", number=child.id) or [])
        self.assertEqual(held(), ["TICKET_VIEW", "USER_MANAGE"])
        self.assertIs(self.call("removePortalPermission", one, SkipValue, number=child.id), True)
        self.assertEqual(held(), ["USER_MANAGE"])
        text = "You may not add permissions to your account."
        self.faults(PUBLIC, text, self.call, "addPortalPermission", one, number=self.number)

    def test_a_list_tells_how_many_there_are(self):
        children = [self.create().id for _ in range(3)]
        limit = self.header(USER, "resultLimit", limit=2, offset=1)
        parent = self.create()
        answer = self.soap().service.getChildUsers(_soapheaders=[self.shown(), limit, self.header(USER, f"{USER}InitParameters", id=self.number)])
        self.assertEqual(len(answer.body.getChildUsersReturn), 2)
        self.assertGreaterEqual(int(answer.header.totalItems.amount), len(children) + 1)
        answer = self.soap().service.getChildUsers(_soapheaders=[self.shown(), self.header(USER, f"{USER}InitParameters", id=parent.id)])
        self.assertFalse(answer.body.getChildUsersReturn)
        self.assertEqual(int(answer.header.totalItems.amount), 0)

    def test_a_filter_with_options(self):
        child = self.create()
        kind = f"{ACCOUNT}ObjectFilter"
        option = {"name": "data", "value": self.many("ArrayOfstring", child.username, "nobody", service=ACCOUNT)}
        options = self.many("SoftLayer_Utility_ObjectFilter_Operation_OptionArray", option, service=ACCOUNT)
        operation = {"operation": "in", "options": options}
        wanted = self.header(ACCOUNT, kind, users={"username": operation})
        found = self.call("getUsers", service=ACCOUNT, headers=[wanted])
        self.assertEqual([user.id for user in found], [child.id])

    def test_a_password_is_changed_and_nothing_is_answered(self):
        child = self.create()
        answer = self.log_me_in(child.username, PASSWORD)
        shown = self.header(USER, "authenticate", "PortalLoginToken", userId=answer.userId, authToken=answer.hash, username="", apiKey="")
        self.assertFalse(short(self.call("selfPasswordChange", PASSWORD, "another password of theirs", headers=[shown], shown=False)))
        self.works(self.log_in(child.username, "another password of theirs"), child.username)
        self.assertIs(self.call("isValidPortalPassword", PASSWORD, number=self.number), True)

    def test_a_login_that_answers_instead_of_failing(self):
        ask = lambda password: self.call("getLoginToken", self.of_type(
            "SoftLayer_Container_Authentication_Request_Native", username=self.boss["username"], password=password), shown=False)
        wrong = ask("not " + PASSWORD)
        self.assertEqual((type(wrong).__name__, wrong.errorMessage), ("SoftLayer_Container_Authentication_Response_LoginFailed", FAILED))
        right = ask(PASSWORD)
        self.assertEqual(type(right).__name__, "SoftLayer_Container_Authentication_Response_Success")
        self.assertEqual(right.token.userId, self.number)

    def test_every_service_describes_itself(self):
        for service, method in [
            (ACCOUNT, "getUsers"), (USER, "getPortalLoginToken"), (KEYS, "editObject"), ("SoftLayer_User_Permission_Action", "getAllObjects"),
            ("SoftLayer_User_Permission_Department", "getAllObjects"), ("SoftLayer_User_Customer_Status", "getAllObjects"),
            ("SoftLayer_Event_Log", "getAllObjects"), ("SoftLayer_User_Security_Question", "getAllObjects"),
        ]:
            with self.subTest(service):
                self.assertIn(method, dir(self.soap(service).service))
                if method == "getAllObjects":
                    self.assertTrue(self.call(method, service=service))


class CallsOfVersion31(Calls, Bare):
    pass


class CallsOfVersion3(Calls, Bare):
    version = "v3"


class SecondFactor(Bare):
    """With an authenticator app. Codes of the step before, of the present one and of the next are good, and each step once."""

    def test_a_code_is_needed_and_works_once(self):
        user = self.create("careful")
        key = self.call("addApiAuthenticationKey", number=user.id)
        token = graphql_login(user.username, PASSWORD)
        enroll = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }"
        app = pyotp.TOTP(graphql(enroll, {"data": {"password": PASSWORD}}, token)["enrollTotp"]["secret"])
        # The three codes are computed from the same step, which must last for a while.
        left = 30 - time.time() % 30
        if left < 15:
            time.sleep(left)
        now = int(time.time())
        confirm = "mutation($data: CodeInput!) { confirmTotp(data: $data) { recovery_codes } }"
        graphql(confirm, {"data": {"code": app.at(now - 30)}}, token)
        with self.assertRaises(zeep.exceptions.Fault):
            self.log_me_in(user.username, PASSWORD)
        kind = "SoftLayer_Container_User_Customer_External_Binding_Totp"
        perform = lambda code: self.call("performExternalAuthentication", self.of_type(
            kind, username=user.username, password=PASSWORD, vendor="TOTP", securityCode=code), shown=False)
        answer = perform(app.at(now))
        self.works(self.with_token(answer.userId, answer.hash), user.username)
        with self.assertRaises(zeep.exceptions.Fault) as refused:
            perform(app.at(now))
        self.assertEqual(refused.exception.message, FAILED)
        native = "SoftLayer_Container_Authentication_Request_Native"
        asked = self.call("getLoginToken", self.of_type(native, username=user.username, password=PASSWORD), shown=False)
        self.assertRegex(type(asked).__name__, "_2FactorAuthenticationNeeded$")
        right = self.call("getLoginToken", self.of_type(
            native + "_External_Totp", username=user.username, password=PASSWORD, securityCode=app.at(now + 30)), shown=False)
        self.assertRegex(type(right).__name__, "_Success$")
        self.works(self.with_token(right.token.userId, right.token.hash), user.username)
        self.works(self.with_key(user.username, key), user.username)


if __name__ == "__main__":
    unittest.main()
