"""Speaks to keytower the way SoftLayer's clients for other languages were seen to do it, where they differ from the Python library.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root.
"""

import json
import unittest
import xml.etree.ElementTree as ElementTree
from xmlrpc.client import Fault, loads

import requests

from softlayer_support import KEYS, PASSWORD, PUBLIC, SERVICE, USER, Face, Rest, XmlRpc

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


class Somebody:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada = cls.make(stem="ada", permissions=["USER_MANAGE"])
        cls.number, cls.username = cls.ada["id"], cls.ada["username"]
        own = cls.log_in(cls.username)
        cls.key = cls.add_key(own, cls.ada)
        cls.child = cls.make(own, "child", city="Oslo")


class RestOfOthers(Somebody, Rest, Face):
    def ask(self, verb, path, status=200, auth=None, version="v3.1", **options):
        answer = requests.request(verb, f"{SERVICE}/rest/{version}/{path}", auth=auth or (self.username, self.key), timeout=60, **options)
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertTrue(answer.content, "an empty body")
        self.assertIn("no-store", answer.headers["Cache-Control"])
        return answer

    def json(self, verb, path, status=200, **options):
        answer = self.ask(verb, path, status, **options)
        self.assertRegex(answer.headers["Content-Type"], "^application/json")
        return answer.json()

    def test_the_verb_says_what_to_do_where_the_path_does_not(self):
        path = f"{USER}/{self.child['id']}"
        for end in (".json", "", "/getObject.json", "/getObject", "/Object.json"):
            self.assertEqual(self.json("GET", path + end)["username"], self.child["username"])
        for end in (".json", "", "/editObject.json", "/editObject"):
            city = self.name("town")
            self.assertIs(self.json("PUT", path + end, json={"parameters": [{"city": city}]}), True)
            self.assertEqual(self.json("GET", path + ".json")["city"], city)
        self.assertIs(self.json("POST", path + "/editObject.json", json={"parameters": [{"city": "Oslo"}]}), True)
        for end in (".json", "", "/createObject.json"):
            name = self.name("made")
            made = self.json("POST", USER + end, json={"parameters": [{"username": name, "email": f"{name}@example.com"}, None, None]})
            self.assertEqual((made["username"], made["parentId"]), (name, self.number))
        # There is no deleteObject: a user is put into a state.
        self.assertEqual(self.json("DELETE", path + ".json", 404)["error"], 'Function ("deleteObject") is not a valid method for this service.')

    def test_the_get_of_a_method_may_be_left_out(self):
        (record,) = self.json("GET", f"{USER}/{self.number}/ApiAuthenticationKeys.json")
        self.assertEqual(record["authenticationKey"], self.key)
        self.assertEqual(self.json("GET", "SoftLayer_Account/CurrentUser.json")["id"], self.number)
        self.assertEqual(self.json("GET", "Account/getCurrentUser.json")["id"], self.number)
        self.assertEqual(self.json("GET", "SoftLayer_Account/getCurrentUser", version="v3")["id"], self.number)

    def test_a_key_is_made_with_get_and_removed_with_post(self):
        path = f"{USER}/{self.child['id']}"
        key = self.json("GET", path + "/addApiAuthenticationKey.json")
        self.works(self.with_key(self.child["username"], key), self.child["username"])
        (record,) = self.json("GET", path + "/getApiAuthenticationKeys.json")
        self.assertIs(self.json("POST", f"{USER}/removeApiAuthenticationKey.json", json={"parameters": [record["id"]]}), True)
        self.assertEqual(self.json("GET", path + "/getApiAuthenticationKeys.json"), [])
        self.json("GET", path + "/addApiAuthenticationKey.json")
        (record,) = self.json("GET", path + "/getApiAuthenticationKeys.json")
        for method in ["GET", "POST"]:
            refused = self.ask(method, f"{USER}/removeApiAuthenticationKey/{record['id']}.json", status=400)
            self.assertIn("from the body only", refused.text)
        self.assertIs(self.json("POST", f"{USER}/removeApiAuthenticationKey.json", json={"parameters": [record["id"]]}), True)
        # Nor does looking whether an address is there make one.
        requests.head(f"{SERVICE}/rest/v3.1/{path}/addApiAuthenticationKey.json", auth=(self.username, self.key), timeout=60)
        requests.options(f"{SERVICE}/rest/v3.1/{path}/addApiAuthenticationKey.json", auth=(self.username, self.key), timeout=60)
        self.assertEqual(self.json("GET", path + "/getApiAuthenticationKeys.json"), [])

    def test_arguments_stand_in_the_path_too_but_for_those_of_changes(self):
        for flag in ("0", "0.json", "false.json"):
            self.assertEqual(self.json("GET", f"{USER}/getPasswordRequirements/{flag}")["minLength"], "8")
        path = f"{USER}/{self.number}/isValidPortalPassword"
        quoted = requests.utils.quote(PASSWORD)
        refused = [(verb, f"{path}/{quoted}{ending}") for verb in ("GET", "POST") for ending in ("", ".json", ".xml")]
        refused.append(("GET", f"{USER}/getPortalLoginToken/{self.username}/{quoted}.json"))
        for verb, address in refused:
            answer = self.ask(verb, address, 400)
            self.assertIn("from the body only", answer.text)
            self.assertNotIn(PASSWORD, answer.text)
        self.assertIs(self.json("POST", f"{path}.json", json={"parameters": [PASSWORD]}), True)

    def test_a_body_of_get_is_passed_over(self):
        self.assertEqual(self.json("GET", "SoftLayer_Account/getCurrentUser.json", data="nonsense")["id"], self.number)
        self.assertEqual(self.json("GET", "SoftLayer_Account/getCurrentUser.json", json={"parameters": [1]})["id"], self.number)

    def test_mask_filter_and_limit(self):
        users = "SoftLayer_Account/getUsers.json"
        both = [{"id": user["id"]} for user in (self.ada, self.child)]
        wanted = {"users": {"id": {"operation": "in", "options": [{"name": "data", "value": [self.number, self.child["id"]]}]}}}
        params = {"objectMask": "mask[ id\n  ]", "objectFilter": json.dumps(wanted), "unknown": "x", "authenticate": ["complexType", "userId"]}
        self.assertEqual(self.json("GET", users, params=params), both)
        for limit, expected in [("1", both[:1]), ("0,1", both[:1]), ("1,1", both[1:]), ("1,5", both[1:]), ("2,5", [])]:
            answer = self.ask("GET", users, params={**params, "resultLimit": limit})
            self.assertEqual((answer.json(), answer.headers["SoftLayer-Total-Items"]), (expected, "2"), limit)
        self.assertEqual(self.json("GET", users, params={**params, "objectMask": "id"}), both)
        self.assertEqual(self.json("GET", users, params={**params, "objectMask": "mask.id"}), both)
        for wrong in [{"objectFilter": "{"}, {"objectFilter": "[1]"}, {"objectFilter": '"x"'}]:
            told = self.json("GET", users, 400, params=wrong)
            self.assertEqual(told["code"], "SoftLayer_Exception_WebService_BadRequest")
        self.assertEqual(self.json("GET", users, 500, params={"objectMask": "mask[colour]"})["error"], f"Property 'colour' not valid for '{USER}'.")

    def test_bodies_that_can_not_be_read(self):
        path = f"{USER}/{self.child['id']}/editObject.json"
        for body in ("{", "nonsense", "[]", '"x"', "5", '{"parameters": 5}', '{"parameters": {"a": 1}}', '{"parameters": "x"}', '{"parameters":[{"city":"X"}]', "<a/>"):
            with self.subTest(body):
                told = self.json("PUT", path, 400, data=body)
                self.assertEqual(told["code"], "SoftLayer_Exception_WebService_BadRequest")
                self.assertRegex(told["error"], "^Bad request")
        self.assertNotEqual(self.json("GET", f"{USER}/{self.child['id']}.json")["city"], "X")

    def test_scalars_nothing_and_lists_are_bare(self):
        self.assertEqual(self.ask("GET", f"{USER}/{self.number}/isMasterUser.json").text, "false")
        self.assertEqual(self.ask("GET", f"{USER}/{self.number}/getHardware.json").text, "[]")
        other = self.make(stem="other")
        token = self.token(other["username"], PASSWORD)
        answer = self.ask("POST", f"{USER}/selfPasswordChange.json", auth=(str(token[0]), token[1]), json={"parameters": [PASSWORD, "another password of theirs"]})
        self.assertEqual(answer.text, "null")

    def test_errors_have_both_members(self):
        for path, auth, status, error, code in [
            ("SoftLayer_Account/getCurrentUser.json", ("nobody", "x"), 401, "Access Denied. ", PUBLIC),
            (f"{USER}/999999.json", None, 404, "Unable to find object with id of '999999'.", "SoftLayer_Exception_ObjectNotFound"),
            ("SoftLayer_Nothing/getObject.json", None, 404, "Service does not exist", PUBLIC),
            (f"{USER}/{self.number}/makeCoffee.json", None, 404, 'Function ("makeCoffee") is not a valid method for this service.', PUBLIC),
            (f"{USER}/{self.number}/addApiAuthenticationKey.json", None, 500, "Each user can only have a single API key.", PUBLIC),
        ]:
            self.assertEqual(self.json("GET", path, status, auth=auth), {"error": error, "code": code})
        answer = requests.get(f"{SERVICE}/rest/v3.1/SoftLayer_Account/getCurrentUser.json", timeout=60)
        self.assertEqual((answer.status_code, answer.json()), (401, {"error": "Access Denied. ", "code": PUBLIC}))

    def test_xml_and_text(self):
        answer = self.ask("GET", f"{USER}/999999.xml", 404)
        root = ElementTree.fromstring(answer.content)
        expected = {"error": "Unable to find object with id of '999999'.", "code": "SoftLayer_Exception_ObjectNotFound"}
        self.assertEqual((root.tag, {child.tag: child.text for child in root}), ("root", expected))
        root = ElementTree.fromstring(self.ask("GET", "SoftLayer_Account/getCurrentUser.xml").content)
        self.assertEqual(root.findtext("username"), self.username)
        self.assertIn(self.username, self.ask("GET", "SoftLayer_Account/getCurrentUser.txt").text)


class XmlRpcOfOthers(Somebody, XmlRpc, Face):
    def post(self, body, service=USER, version="v3", kind="text/xml", **headers):
        if isinstance(body, str):
            body = body.encode()
        answer = requests.post(f"{SERVICE}/xmlrpc/{version}/{service}", data=body, headers={"Content-Type": kind, **headers}, timeout=60)
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertRegex(answer.headers["Content-Type"], "^text/xml")
        self.assertEqual(ElementTree.fromstring(answer.content).tag, "methodResponse")
        return answer

    def headers(self, more="", number=True):
        shown = f"<member><name>authenticate</name><value><struct><member><name>username</name><value>{self.username}</value></member>" \
            f"<member><name>apiKey</name><value><string>{self.key}</string></value></member></struct></value></member>"
        init = f"<member><name>{USER}InitParameters</name><value><struct><member><name>id</name><value><string>{self.number}</string></value></member></struct></value></member>"
        return f"<struct><member><name>headers</name><value><struct>{shown}{init if number else ''}{more}</struct></value></member></struct>"

    def call(self, method, *values, headers=None, **options):
        params = "".join(f"<param><value>{value}</value></param>" for value in (headers or self.headers(), *values))
        return self.post(f'<?xml version="1.0"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>', **options)

    def value(self, *arguments, **options):
        return loads(self.call(*arguments, **options).content)[0][0]

    def test_numbers_come_as_text_and_text_comes_untyped(self):
        self.assertEqual(self.value("getObject")["username"], self.username)
        self.assertEqual(self.value("editObject", "<struct><member><name>city</name><value>Oslo</value></member></struct>"), True)
        for number in ("<int>114</int>", "<i4>114</i4>", "<i8>114</i8>", "<string>114</string>", "114"):
            struct = f"<struct><member><name>timezoneId</name><value>{number}</value></member></struct>"
            self.assertEqual(self.value("editObject", struct), True)
            self.assertEqual(self.value("getObject")["timezoneId"], 114)
        for flag in ("<boolean>1</boolean>", "<int>1</int>", "<string>1</string>"):
            struct = f"<struct><member><name>sslVpnAllowedFlag</name><value>{flag}</value></member></struct>"
            self.assertEqual(self.value("editObject", struct), True)
            self.assertIs(self.value("getObject")["sslVpnAllowedFlag"], True)

    def test_any_content_type_will_do(self):
        for kind in ("text/xml", "application/xml", "text/xml; charset=utf-8", "application/octet-stream", "text/plain"):
            self.assertEqual(loads(self.call("getObject", kind=kind).content)[0][0]["id"], self.number)

    def test_white_space_comments_and_sections(self):
        body = f"""<?xml version="1.0" encoding="UTF-8"?>
            <!-- made by hand -->
            <methodCall>
                <methodName>getObject</methodName>
                <params>
                    <param> <value> {self.headers()} </value> </param>
                </params>
            </methodCall>
        """
        self.assertEqual(loads(self.post(body).content)[0][0]["id"], self.number)
        city = "<struct><member><name>city</name><value><string><![CDATA[A & B <c>]]></string></value></member></struct>"
        self.assertEqual(self.value("editObject", city), True)
        self.assertEqual(self.value("getObject")["city"], "A & B <c>")
        city = "<struct><member><name>city</name><value><string>&#214;sl&#x6f; &amp; &lt;x&gt;</string></value></member></struct>"
        self.assertEqual(self.value("editObject", city), True)
        self.assertEqual(self.value("getObject")["city"], "Öslo & <x>")

    def test_a_mask_of_php(self):
        for name in ("ObjectMask", "SoftLayer_ObjectMask"):
            mask = f"<member><name>{name}</name><value><struct><member><name>mask</name><value>mask[id]</value></member></struct></value></member>"
            self.assertEqual(self.value("getObject", headers=self.headers(mask)), {"id": self.number})

    def test_a_login_of_ruby_has_two_arguments_and_no_headers(self):
        empty = "<struct><member><name>headers</name><value><struct></struct></value></member></struct>"
        for headers in (empty, empty.replace("<struct></struct>", "<struct/>")):
            answer = self.value("getPortalLoginToken", f"<string>{self.username}</string>", f"<string>{PASSWORD}</string>", headers=headers)
            self.assertEqual(answer["userId"], self.number)

    def test_faults_have_a_text_for_a_code(self):
        for method, headers, code in [
            ("getObject", self.headers().replace(self.key, "0" * 64), "SoftLayer_Exception"),
            ("makeCoffee", self.headers(), "-32601"),
            ("getObject", self.headers(number=False), "-32602"),
            ("addApiAuthenticationKey", self.headers(), PUBLIC),
        ]:
            answer = self.call(method, headers=headers)
            with self.assertRaises(Fault) as refused:
                loads(answer.content)
            self.assertEqual(refused.exception.faultCode, code)
            self.assertNotIn("<int>", answer.text)
        self.assertEqual(ElementTree.fromstring(self.call("getObject", service="SoftLayer_Nothing").content).find("fault//string").text is None, False)

    def test_answers_have_the_types_that_clients_can_print(self):
        text = self.call("getObject").text
        self.assertNotIn("dateTime", text)
        self.assertNotIn("<nil", text)
        self.assertRegex(text, r"<name>createDate</name>\s*<value>\s*<string>\d{4}-\d\d-\d\dT")
        self.assertRegex(text, rf"<name>id</name>\s*<value>\s*<int>{self.number}</int>")
        answer = self.call("getUsers", headers=self.headers(number=False), service="SoftLayer_Account")
        # One client looks for it by this very spelling.
        self.assertIn("SoftLayer-Total-Items", answer.headers)
        self.assertEqual(int(answer.headers["SoftLayer-Total-Items"]), len(loads(answer.content)[0][0]))

    def test_an_answer_comes_compressed_or_not(self):
        for encoding in ("gzip, deflate, compress", "identity", "gzip"):
            answer = self.call("getObject", **{"Accept-Encoding": encoding})
            self.assertEqual(loads(answer.content)[0][0]["id"], self.number)


class SoapOfOthers(Somebody, XmlRpc, Face):
    def call(self, body, headers="", version="v3.1", service=USER, status=200, prefix="ns", namespace=None):
        namespace = namespace or f"http://api.service.softlayer.com/soap/{version}/"
        text = f"""<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="{ENVELOPE}" xmlns:{prefix}="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
<soap:Header>{headers}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"""
        told = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{namespace}{service}Action"'}
        answer = requests.post(f"{SERVICE}/soap/{version}/{service}", data=text.encode(), headers=told, timeout=60)
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertRegex(answer.headers["Content-Type"], "^text/xml")
        return answer

    def shown(self, prefix="ns:"):
        return f"""<{prefix}authenticate><{prefix}username>{self.username}</{prefix}username><{prefix}apiKey>{self.key}</{prefix}apiKey></{prefix}authenticate>
            <{prefix}{USER}InitParameters><id xsi:type="xsd:int">{self.number}</id></{prefix}{USER}InitParameters>"""

    def test_prefixes_and_namespaces_do_not_matter(self):
        for prefix, version, namespace in [
            ("ns:", "v3.1", None), ("ns:", "v3", None), ("", "v3.1", None), ("ns:", "v3", "http://api.service.softlayer.com/soap/v3/SLTypes/"),
            ("ns:", "v3.1", "http://api.service.softlayer.com/soap/v3/"),
        ]:
            with self.subTest(prefix=prefix, version=version, namespace=namespace):
                answer = self.call(f"<{prefix}getObject/>", self.shown(prefix), version, namespace=namespace)
                self.assertIn(self.username, answer.text)

    def test_answers_look_like_those_of_the_live_service(self):
        answer = self.call("<ns:getObject/>", self.shown())
        root = ElementTree.fromstring(answer.content)
        namespace = "http://api.service.softlayer.com/soap/v3.1/"
        returned = root.find(f"{{{ENVELOPE}}}Body/{{{namespace}}}getObjectResponse/getObjectReturn")
        self.assertEqual(returned.findtext("username"), self.username)
        kind = "{http://www.w3.org/2001/XMLSchema-instance}type"
        self.assertEqual(returned.get(kind), f"ns1:{USER}")
        self.assertEqual({name: returned.find(name).get(kind) for name in ("id", "username", "isMasterUserFlag", "createDate")}, {
            "id": "xsd:int", "username": "xsd:string", "isMasterUserFlag": "xsd:boolean", "createDate": "xsd:dateTime",
        })
        self.assertIn("SOAP-ENV:encodingStyle", answer.text)
        mask = "<ns:SoftLayer_ObjectMask><ns:mask>mask[id,childUsers[id]]</ns:mask></ns:SoftLayer_ObjectMask>"
        children = ElementTree.fromstring(self.call("<ns:getObject/>", self.shown() + mask).content).find(".//childUsers")
        array = "{http://schemas.xmlsoap.org/soap/encoding/}arrayType"
        self.assertEqual((children.get(array), children.get(kind)), (f"ns1:{USER}[1]", f"ns1:{USER}Array"))
        self.assertEqual(children.findtext("item/id"), str(self.child["id"]))

    def test_faults_are_bare(self):
        for body, headers, code, text in [
            ("<ns:getObject/>", self.shown().replace(self.key, "0" * 64), "SoftLayer_Exception", "Invalid API token."),
            ("<ns:getObject/>", "", "SoftLayer_Exception", "No valid authentication headers found."),
            ("<ns:addApiAuthenticationKey/>", self.shown(), PUBLIC, "Each user can only have a single API key."),
            ("<ns:makeCoffee/>", self.shown(), PUBLIC, 'Function ("makeCoffee") is not a valid method for this service.'),
        ]:
            fault = ElementTree.fromstring(self.call(body, headers, status=500).content).find(f".//{{{ENVELOPE}}}Fault")
            self.assertEqual((fault.findtext("faultcode"), fault.findtext("faultstring")), (code, text))

    def test_the_descriptions_lead_nowhere_else(self):
        for version in ("v3", "v3.1"):
            for service in ("SoftLayer_Account", USER, KEYS):
                for what in ("wsdl", "WSDL", "xsd"):
                    answer = requests.get(f"{SERVICE}/soap/{version}/{service}?{what}", timeout=60)
                    self.assertEqual(answer.status_code, 200)
                    self.assertRegex(answer.headers["Content-Type"], "xml")
                    root = ElementTree.fromstring(answer.content)
                    places = [element.get("schemaLocation") or element.get("location") for element in root.iter()]
                    for place in filter(None, places):
                        self.assertTrue(place.startswith(SERVICE + "/soap/"), place)
                        if "?" in place or place.endswith(".xsd"):
                            self.assertEqual(requests.get(place, timeout=60).status_code, 200)


if __name__ == "__main__":
    unittest.main()
