"""What the programs beside this one share: the two endpoints that the unmodified SoftLayer library talks to, and the people behind it.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root, who is the master user. Names
of users are given once, so that the programs can run one after the other against one service.
"""

import itertools
import json
import logging
import os
import re
import unittest

import requests
import SoftLayer
from SoftLayer.auth import BasicAuthentication, BasicHTTPAuthentication, BearerAuthentication, TokenAuthentication

SERVICE = os.environ["KEYTOWER"]
ROOT_PASSWORD = os.environ["ROOT_PASSWORD"]
PASSWORD = "a password of theirs"
KEY = re.compile(r"[a-z0-9]{64}")
USER = "SoftLayer_User_Customer"
KEYS = "SoftLayer_User_Customer_ApiAuthentication"
PUBLIC = "SoftLayer_Exception_Public"
NOT_FOUND = "SoftLayer_Exception_ObjectNotFound"
DENIED = "SoftLayer_Exception_PermissionDenied"
INVALID = "SoftLayer_Exception_InvalidValue"
NO_KEY_ID = "Please provide an API Authentication key ID."
STATES = {
    "ACTIVE": 1001, "DISABLED": 1002, "INACTIVE": 1003, "PENDING": 1004, "SUSPENDED": 1005, "IAMID_INVALID": 1006,
    "CANCEL_PENDING": 1021, "VPN_ONLY": 1022,
}

# The library tells of each user that it makes on standard error, in the middle of the lines there.
logging.disable(logging.CRITICAL)
numbers = itertools.count(1)


def graphql(query, variables=None, credential=None):
    """GraphQL, where second factors and keys of the other kind come from."""
    headers = {} if credential is None else {"Authorization": credential}
    answer = requests.post(SERVICE + "/api/", json={"query": query, "variables": variables or {}}, headers=headers).json()
    if answer.get("errors"):
        raise AssertionError(answer)
    return answer["data"]


def graphql_login(username, password):
    query = "mutation($data: LoginInput!) { login(data: $data) { token } }"
    return graphql(query, {"data": {"username": username, "password": password}})["login"]["token"]


def mint(token, name="minted"):
    """The text of a key that is not a classic one."""
    query = "mutation($name: String!) { createApiKey(data: { name: $name }) { key } }"
    return graphql(query, {"name": name}, token)["createApiKey"]["key"]


class Answered:
    """What an exception of the library was made from."""

    def __init__(self, error):
        self.code, self.text = error.faultCode, error.faultString
        self.status = 200
        response = getattr(error.__context__, "response", None)
        if response is not None:
            # REST's exception holds the status; the code stands in the answer only.
            self.status = response.status_code
            try:
                self.code = response.json().get("code")
            except ValueError:
                self.code = f"no JSON: {response.text}"


class Face(unittest.TestCase):
    """A test through one endpoint. What the endpoints differ in is told by the subclasses below."""

    endpoint = None

    @classmethod
    def setUpClass(cls):
        cls.root = cls.log_in("root", ROOT_PASSWORD)
        cls.root_id = cls.me(cls.root)["id"]

    @classmethod
    def client(cls, auth=None, endpoint=None):
        """The library's client, with what it shows."""
        made = SoftLayer.create_client_from_env(endpoint_url=endpoint or cls.endpoint, auth=auth)
        cls.addClassCleanup(lambda: made.transport.client.close())
        return made

    @classmethod
    def with_key(cls, username, key):
        return cls.client(cls.key_auth(username, key))

    @classmethod
    def with_bearer(cls, text):
        # Only without a name does the library send what it was given.
        return cls.client(BearerAuthentication("", text))

    @classmethod
    def token(cls, username, password):
        """A portal token: number of the user, and text."""
        answer = cls.client().call("User_Customer", "getPortalLoginToken", username, password, None, None)
        return answer["userId"], answer["hash"]

    @classmethod
    def with_token(cls, user_id, text):
        return cls.client(cls.token_auth(user_id, text))

    @classmethod
    def log_in(cls, username, password=PASSWORD):
        return cls.with_token(*cls.token(username, password))

    @staticmethod
    def me(client, **options):
        return client.call("Account", "getCurrentUser", **options)

    @classmethod
    def name(cls, stem):
        return f"{stem}-{os.getpid()}-{next(numbers)}"

    @classmethod
    def make(cls, above=None, stem="user", password=PASSWORD, permissions=(), **members):
        """Makes a user below another one: the record."""
        if above is None:  # The library's clients are false.
            above = cls.root
        name = cls.name(stem)
        template = {"username": name, "email": f"{name}@example.com", "firstName": stem.title(), **members}
        made = above.call("User_Customer", "createObject", template, password, None)
        if permissions:
            wanted = [{"keyName": permission} for permission in permissions]
            above.call("User_Customer", "addBulkPortalPermission", wanted, id=made["id"])
        return made

    @classmethod
    def put(cls, client, user, state):
        """Puts a user into a state."""
        return client.call("User_Customer", "editObject", {"userStatusId": STATES[state]}, id=user["id"])

    @staticmethod
    def add_key(client, user):
        return client.call("User_Customer", "addApiAuthenticationKey", id=user["id"])

    @staticmethod
    def keys_of(client, user, **options):
        return client.call("User_Customer", "getApiAuthenticationKeys", id=user["id"], **options)

    def record(self, client, user):
        """The one key of a user, as somebody sees it."""
        (record,) = self.keys_of(client, user)
        return record

    def raises(self, call, *arguments, **named):
        """A call that must be refused: what was answered."""
        with self.assertRaises(SoftLayer.SoftLayerAPIError) as refused:
            call(*arguments, **named)
        answered = Answered(refused.exception)
        self.assertTrue(answered.text, answered.code)
        for internal in ("panicked", "sqlx", "SELECT ", "src/"):
            self.assertNotIn(internal, answered.text)
        return answered

    def refused(self, code, text, status, call, *arguments, **named):
        """A call that must be refused with this code and text, and this status on REST. `text` may be a pattern."""
        answered = self.raises(call, *arguments, **named)
        self.assertEqual(answered.code, code, answered.text)
        if isinstance(text, re.Pattern):
            self.assertRegex(answered.text, text)
        elif text is not None:
            self.assertEqual(answered.text, text)
        if self.is_rest:
            self.assertEqual(answered.status, status)

    def not_found(self, number, call, *arguments, **named):
        text = f"Unable to find object with id of '{number}'."
        self.refused(NOT_FOUND, text, 404, call, *arguments, **named)

    def denied(self, call, *arguments, **named):
        self.refused(DENIED, None, 500, call, *arguments, **named)

    def works(self, client, username):
        self.assertEqual(self.me(client)["username"], username)

    def dead_key(self, username, key):
        for client in (self.with_key(username, key), self.with_key("apikey", key)):
            self.no_such_key(self.me, client)

    def no_such_key(self, call, *arguments, **named):
        """How a key is refused that is none."""
        if self.is_rest:
            self.refused(PUBLIC, "Access Denied. ", 401, call, *arguments, **named)
        else:
            self.refused("SoftLayer_Exception", "Invalid API token.", None, call, *arguments, **named)

    def no_such_token(self, call, *arguments, **named):
        """How a portal token is refused that is none."""
        if self.is_rest:
            self.refused(PUBLIC, "Access Denied. ", 401, call, *arguments, **named)
        else:
            code = "SoftLayer_Exception_InvalidLegacyToken"
            self.refused(code, "Invalid authentication token.", None, call, *arguments, **named)

    def unknown_to(self, value, *answers):
        """No answer holds a secret."""
        for answer in answers:
            self.assertNotIn(value, json.dumps(answer, default=str))


class XmlRpc:
    endpoint = SERVICE + "/xmlrpc/v3.1/"
    older = SERVICE + "/xmlrpc/v3/"
    is_rest = False

    @staticmethod
    def key_auth(username, key):
        return BasicAuthentication(username, key)

    @staticmethod
    def token_auth(user_id, text):
        return TokenAuthentication(user_id, text)


class Rest:
    endpoint = SERVICE + "/rest/v3.1/"
    older = SERVICE + "/rest/v3/"
    is_rest = True

    @staticmethod
    def key_auth(username, key):
        return BasicHTTPAuthentication(username, key)

    @staticmethod
    def token_auth(user_id, text):
        # The library can't show a portal token over REST; HTTP can.
        return BasicHTTPAuthentication(str(user_id), text)
