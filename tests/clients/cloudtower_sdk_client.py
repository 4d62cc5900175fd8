"""Drives keytower with the PyPI package cloudtower-sdk, unmodified, the way its README says.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root, INVENTORY the file that was
imported into it. `FreshService` wants a service without any user, everything else one with root and the inventory. `Failover` wants
NODES, the addresses of two nodes on one database of which the second knows the first, their FOLDERS, and the PROGRAM that they run.
"""

import json
import os
import subprocess
import unittest

from cloudtower import (
    ActivePassiveApiClient,
    ApiClient,
    ApiException,
    ApiInfoApi,
    ClusterApi,
    ClusterType,
    ClusterWhereInput,
    Configuration,
    DatacenterApi,
    GetVmsConnectionRequestBody,
    GetVmsRequestBody,
    GlobalSettingsApi,
    HostApi,
    LoginInput,
    OrganizationApi,
    ROLEACTION,
    RoleCreationParams,
    RoleDeletionParams,
    RoleUpdationParams,
    RoleUpdationParamsData,
    RootUserCreationParams,
    SystemAuditLogApi,
    TaskApi,
    TaskCreationParams,
    TaskDescription,
    TaskUpdateParams,
    TaskUpdateParamsData,
    TaskWhereInput,
    UserApi,
    UserAuditLogApi,
    UserAuditLogCreationParams,
    UserAuditLogMessage,
    UserCreationParams,
    UserDeletionParams,
    UserRoleNextApi,
    UserRoleNextWhereInput,
    UserSource,
    UserUpdationParams,
    UserUpdationParamsData,
    UserWhereInput,
    VmApi,
    VmOperateParams,
    VmOrderByInput,
    VmStartParams,
    VmStartParamsData,
    VmStatus,
    VmWhereInput,
)
from cloudtower.active_passive_client import (
    ActivePassiveFailoverRequired,
    ActivePassiveMultipleActives,
    ActivePassiveNoActiveHost,
    FailoverStrategy,
)
from cloudtower.exceptions import ForbiddenException, NotFoundException, UnauthorizedException
from cloudtower.models import NestedCluster, NestedHost, Vm
from cloudtower.utils import login, wait_tasks

SERVICE = os.environ["KEYTOWER"]
PASSWORD = os.environ["ROOT_PASSWORD"]
MINT = "mutation createApiKey($name: String!) { createApiKey(data: { name: $name }) { id key roles { id preset }}}"
DELETE = "mutation deleteApiKey($key: String!) { deleteApiKey(where: { key: $key }) { id } }"


def client(credential=None, prefix=None):
    """A client of its own, with a credential where its README puts the token."""
    configuration = Configuration(host=SERVICE + "/v2/api")
    if credential is not None:
        configuration.api_key["Authorization"] = credential
    if prefix is not None:
        configuration.api_key_prefix["Authorization"] = prefix
    return ApiClient(configuration)


def token():
    return UserApi(client()).login({"username": "root", "password": PASSWORD}).data.token


def graphql(credential, query, variables):
    """GraphQL through the SDK's own HTTP, as its login helper does it."""
    body = {"query": query, "variables": variables}
    answer = client().request("POST", SERVICE + "/api", headers={"Authorization": credential}, body=body)
    return json.loads(answer.data)["data"]


def mint(name):
    return graphql(token(), MINT, {"name": name})["createApiKey"]["key"]


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


class Login(unittest.TestCase):
    def test_every_way_to_log_in_gives_a_token_that_works(self):
        ways = {
            "model": LoginInput(username="root", password=PASSWORD, source=UserSource.LOCAL),
            "model without source": LoginInput(username="root", password=PASSWORD),
            "dict": {"username": "root", "password": PASSWORD, "source": UserSource.LOCAL},
            "dict without source": {"username": "root", "password": PASSWORD},
            "dict with nulls": {
                "username": "root", "password": PASSWORD, "source": None, "mfa_type": None, "auth_config_id": None,
            },
        }
        for name, body in ways.items():
            with self.subTest(name):
                answer = UserApi(client()).login(body)
                self.assertIsNone(answer.task_id)
                self.assertEqual(UserApi(client(answer.data.token)).get_my_info().username, "root")

    def test_the_login_helper_leaves_the_token_in_the_client(self):
        api = client()
        login(api, "root", PASSWORD)
        self.assertEqual(UserApi(api).get_my_info().username, "root")

    def test_the_ldap_helper_asks_for_strategies_and_is_told_what_is_served(self):
        asked = []

        class Watched(ApiClient):
            def request(self, method, url, *arguments, **named):
                answer = super().request(method, url, *arguments, **named)
                asked.append((method, url, json.loads(answer.data)))
                return answer

        with self.assertRaises(ApiException) as refused:
            login(Watched(client().configuration), "root", PASSWORD, source=UserSource.LDAP)
        # There is no external source of logins, so the helper falls back to the source LDAP.
        self.assertEqual(asked, [("POST", SERVICE + "/api", {"data": {"authnStrategies": []}})])
        self.assertEqual(refused.exception.status, 400)
        self.assertIn("LDAP", json.loads(refused.exception.body)["message"])

    def test_a_wrong_password_is_an_api_exception_that_says_so(self):
        with self.assertRaises(ApiException) as refused:
            login(client(), "root", "not " + PASSWORD)
        error = refused.exception
        body = json.loads(error.body)
        self.assertNotIsInstance(error, UnauthorizedException)
        self.assertEqual((error.status, body["status"], body["path"]), (400, 400, "/login"))
        self.assertIn("password", body["message"])
        self.assertNotIn("code", body)
        self.assertTrue(error.headers["x-tower-request-id"])

    def test_the_active_passive_client_probes_logs_in_and_reads(self):
        api = ActivePassiveApiClient(endpoints=[SERVICE], user_config={"name": "root", "password": PASSWORD})
        self.addCleanup(api.close)
        self.assertEqual(len(VmApi(api).get_vms({})), 30)


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = client(token())
        cls.addClassCleanup(cls.api.close)
        with open(os.environ["INVENTORY"], encoding="utf-8") as file:
            cls.inventory = json.load(file)
        # A stand-alone keytower has one organization of its own, which all datacenters belong to.
        own = OrganizationApi(cls.api).get_organizations({})[0]
        for datacenter in cls.inventory["datacenters"]:
            datacenter["organization"] = {"id": own.id, "name": own.name}

    def test_every_field_of_every_object_comes_back_through_the_models(self):
        calls = {
            "vms": VmApi(self.api).get_vms,
            "clusters": ClusterApi(self.api).get_clusters,
            "hosts": HostApi(self.api).get_hosts,
            "datacenters": DatacenterApi(self.api).get_datacenters,
        }
        self.assertEqual(calls.keys(), self.inventory.keys())
        for name, call in calls.items():
            with self.subTest(name):
                got = {model.id: self.api.sanitize_for_serialization(model) for model in call({})}
                self.maxDiff = 4000
                self.assertEqual(got, {record["id"]: without_nulls(record) for record in self.inventory[name]})

    def test_a_vm_is_a_model_with_its_cluster_and_host(self):
        vm = VmApi(self.api).get_vms({"where": {"name": "db-01"}})[0]
        self.assertIsInstance(vm, Vm)
        self.assertEqual((vm.status, vm.vcpu, vm.memory), (VmStatus.RUNNING, 16, 128 << 30))
        self.assertEqual((vm.cpu.cores, vm.cpu.sockets), (8, 2))
        self.assertIsInstance(vm.cluster, NestedCluster)
        self.assertIsInstance(vm.host, NestedHost)
        self.assertEqual((vm.cluster.name, vm.host.name), ("north-a", "north-a-node1"))
        self.assertIsNone(vm.entity_async_status)
        states = {vm.status for vm in VmApi(self.api).get_vms({})}
        self.assertEqual(states, set(VmStatus.allowable_values))
        types = {cluster.type for cluster in ClusterApi(self.api).get_clusters({})}
        self.assertEqual(types, {ClusterType.SMTX_OS})

    def test_where_order_and_page_through_the_model_classes(self):
        running = VmWhereInput(status=VmStatus.RUNNING)
        records = [vm for vm in self.inventory["vms"] if vm["status"] == "RUNNING"]
        names = sorted((vm["name"] for vm in records), reverse=True)
        page = GetVmsRequestBody(where=running, order_by=VmOrderByInput.NAME_DESC, first=5, skip=3)
        self.assertEqual([vm.name for vm in VmApi(self.api).get_vms(page)], names[3:8])
        count = VmApi(self.api).get_vms_connection(GetVmsConnectionRequestBody(where=running))
        self.assertEqual(count.aggregate.count, len(records))
        two = VmWhereInput(name_in=["db-01", "monitor-01", "no such name"])
        page = GetVmsRequestBody(where=two, order_by=VmOrderByInput.NAME_ASC)
        self.assertEqual([vm.name for vm in VmApi(self.api).get_vms(page)], ["db-01", "monitor-01"])

    def test_a_script_that_pages_until_a_short_page_sees_each_vm_once(self):
        seen, skip = [], 0
        while True:
            page = VmApi(self.api).get_vms(GetVmsRequestBody(first=7, skip=skip))
            seen += [vm.id for vm in page]
            skip += 7
            if len(page) < 7:
                break
        self.assertEqual(sorted(seen), sorted(vm["id"] for vm in self.inventory["vms"]))

    def test_a_call_in_the_background_and_one_in_another_language_work_too(self):
        self.assertEqual(len(VmApi(self.api).get_vms({}, async_req=True).get()), 30)
        self.assertEqual(len(VmApi(self.api).get_vms({}, content_language="zh-CN")), 30)

    def test_people_roles_and_the_version(self):
        me = UserApi(self.api).get_my_info()
        self.assertEqual((me.username, me.source, me.internal), ("root", UserSource.LOCAL, False))
        roles = UserRoleNextApi(self.api).get_user_role_nexts({})
        mine = [role for role in roles if role.id == me.roles[0].id]
        self.assertEqual([(role.preset, role.actions) for role in mine], [("ROOT", ["*"])])
        users = UserApi(self.api).get_users({"where": {"username": "root"}})
        self.assertEqual([user.id for user in users], [me.id])
        self.assertEqual(UserApi(self.api).get_users_connection({}).aggregate.count, 1)
        self.assertRegex(ApiInfoApi(client()).get_api_version(), r"^\d+\.\d+\.\d+$")

    def test_an_unknown_condition_is_an_api_exception_that_names_it(self):
        with self.assertRaises(ApiException) as refused:
            VmApi(self.api).get_vms({"where": {"colour": "red"}})
        self.assertEqual(refused.exception.status, 400)
        self.assertIn("colour", json.loads(refused.exception.body)["message"])


class Key(unittest.TestCase):
    def test_a_key_goes_where_the_token_goes(self):
        key = mint("sdk")
        for prefix in (None, "Bearer"):
            with self.subTest(prefix=prefix):
                api = client(key, prefix)
                self.assertEqual(len(VmApi(api).get_vms({})), 30)
                self.assertEqual(VmApi(api).get_vms_connection({}).aggregate.count, 30)
                self.assertEqual(UserApi(api).get_my_info().username, "root")
        self.assertEqual(len(VmApi(client(token(), "Bearer")).get_vms({})), 30)

    def test_a_deleted_key_is_an_unauthorized_exception(self):
        key, other = mint("deleted"), mint("kept")
        api = client(key)
        self.assertEqual(len(VmApi(api).get_vms({})), 30)
        self.assertTrue(graphql(token(), DELETE, {"key": key})["deleteApiKey"]["id"])
        for prefix in (None, "Bearer"):
            for call in (VmApi(client(key, prefix)).get_vms, UserApi(client(key, prefix)).get_users):
                with self.assertRaises(UnauthorizedException) as refused:
                    call({})
                self.assertEqual(json.loads(refused.exception.body)["status"], 401)
        with self.assertRaises(UnauthorizedException):
            UserApi(api).get_my_info()
        self.assertEqual(len(VmApi(client(other)).get_vms({})), 30)

    def test_without_a_credential_the_call_is_an_unauthorized_exception(self):
        with self.assertRaises(UnauthorizedException):
            VmApi(client()).get_vms({})


class People(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = client(token())
        cls.addClassCleanup(cls.api.close)
        cls.users, cls.roles = UserApi(cls.api), UserRoleNextApi(cls.api)

    def role(self, name, *actions):
        made = self.roles.create_role([RoleCreationParams(name=name, actions=list(actions))])
        self.assertEqual([task.task_id for task in made], [None])
        return made[0].data

    def test_a_role_is_made_changed_and_deleted(self):
        role = self.role("operator", ROLEACTION.VM_OPERATION_VM_POWER)
        self.assertEqual((role.name, role.actions, role.preset), ("operator", ["VM_OPERATION_VM_POWER"], None))
        where = UserRoleNextWhereInput(id=role.id)
        data = RoleUpdationParamsData(name="all", actions=["*"])
        changed = self.roles.update_role(RoleUpdationParams(where=where, data=data))
        self.assertEqual([(task.data.id, task.data.name, task.data.actions) for task in changed], [(role.id, "all", ["*"])])
        self.assertEqual([role.name for role in self.roles.get_user_role_nexts({"where": {"id": role.id}})], ["all"])
        deleted = self.roles.delete_role(RoleDeletionParams(where=where))
        self.assertEqual([(task.data.id, task.task_id) for task in deleted], [(role.id, None)])
        self.assertEqual(self.roles.get_user_role_nexts({"where": {"id": role.id}}), [])

    def test_users_are_made_changed_and_deleted(self):
        role = self.role("readers")
        made = self.users.create_user([
            UserCreationParams(username=name, name=name.title(), password=PASSWORD, role_id=role.id, source=UserSource.LOCAL)
            for name in ("ada", "bob")
        ])
        self.assertEqual([(task.data.username, task.data.name) for task in made], [("ada", "Ada"), ("bob", "Bob")])
        self.assertEqual([task.data.roles[0].name for task in made], ["readers", "readers"])
        api = client()
        login(api, "ada", PASSWORD)
        self.assertEqual(UserApi(api).get_my_info().id, made[0].data.id)
        where = UserWhereInput(username_in=["ada", "bob"])
        data = UserUpdationParamsData(email_address="people@example.com")
        changed = self.users.update_user(UserUpdationParams(where=where, data=data))
        self.assertEqual([task.data.email_address for task in changed], ["people@example.com"] * 2)
        cleared = self.users.update_user({"where": {"username": "ada"}, "data": {"email_address": None}})
        self.assertEqual([task.data.email_address for task in cleared], [None])
        deleted = self.users.delete_user(UserDeletionParams(where=where))
        self.assertEqual({task.data.id for task in deleted}, {task.data.id for task in made})
        with self.assertRaises(UnauthorizedException):
            UserApi(api).get_my_info()

    def test_what_is_refused_is_an_exception_that_says_why(self):
        role = self.role("in use")
        params = UserCreationParams(username="cy", name="Cy", password=PASSWORD, role_id=role.id)
        self.users.create_user([params])
        for call, body, kind, status, words in [
            (self.users.create_user, [params], ApiException, 400, "taken"),
            (self.roles.delete_role, {"where": {"id": role.id}}, ApiException, 400, "in use"),
            (self.users.delete_user, {"where": {"username": "root"}}, ApiException, 400, "yourself"),
            (self.users.delete_user, {"where": {"username": "nobody"}}, NotFoundException, 404, "no User"),
            (UserApi(client(mint("people"))).create_user, [], ForbiddenException, 403, "log in"),
        ]:
            with self.subTest(words), self.assertRaises(kind) as refused:
                call(body)
            self.assertEqual(refused.exception.status, status)
            self.assertIn(words, json.loads(refused.exception.body)["message"])


class Failover(unittest.TestCase):
    NODES = os.environ.get("NODES", "").split()
    FOLDERS = os.environ.get("FOLDERS", "").split()

    def setUp(self):
        self.become("active", "passive")

    def become(self, *words):
        for folder, word in zip(self.FOLDERS, words, strict=True):
            subprocess.run([os.environ["PROGRAM"], "node", word], env={"KEYTOWER_DATA_DIR": folder}, check=True, capture_output=True)

    def client(self, strategy=None):
        user = {"name": "root", "password": PASSWORD}
        api = ActivePassiveApiClient(endpoints=self.NODES, user_config=user, failover_strategy=strategy)
        self.addCleanup(api.close)
        return api

    def expect(self, api, node):
        self.assertEqual(UserApi(api).get_my_info().username, "root")
        self.assertIn(api.current_active_base_url, self.NODES[node])

    def test_it_works_with_the_active_node_wherever_that_is(self):
        self.expect(self.client(), 0)
        self.become("passive", "active")
        self.expect(self.client(), 1)

    def test_it_fails_over_while_it_lives_and_back_again(self):
        api = self.client(FailoverStrategy.AUTO_FAILOVER)
        for _ in range(3):
            self.become("active", "passive")
            self.expect(api, 0)
            self.become("passive", "active")
            self.expect(api, 1)

    def test_manual_failover_is_left_to_the_caller(self):
        api = self.client(FailoverStrategy.MANUAL_FAILOVER)
        self.expect(api, 0)
        self.become("passive", "active")
        with self.assertRaises(ActivePassiveFailoverRequired) as refused:
            UserApi(api).get_my_info()
        self.assertEqual(refused.exception.status, 307)
        self.expect(api, 1)

    def test_probing_always_never_meets_the_passive_node(self):
        api = self.client(FailoverStrategy.ALWAYS_PROBE)
        self.expect(api, 0)
        self.become("passive", "active")
        self.expect(api, 1)

    def test_none_or_two_active_nodes_are_told(self):
        api = self.client()
        self.become("passive", "passive")
        for call in [UserApi(api).get_my_info, self.client]:
            with self.assertRaises(ActivePassiveNoActiveHost) as refused:
                call()
            self.assertIsNone(refused.exception.failures)
        self.become("active", "active")
        with self.assertRaises(ActivePassiveMultipleActives) as refused:
            self.client()
        self.assertEqual(len(refused.exception.active_hosts), 2)
        with self.assertRaises(ActivePassiveMultipleActives):
            UserApi(api).get_my_info()

    def test_an_ordinary_client_is_led_to_the_active_node_where_that_is_known(self):
        second = ApiClient(Configuration(host=self.NODES[1] + "/v2/api"))
        self.assertRegex(ApiInfoApi(second).get_api_version(), r"^\d+\.\d+\.\d+$")
        # Method and body go along.
        credential = UserApi(second).login({"username": "root", "password": PASSWORD}).data.token
        self.assertEqual(UserApi(client(credential)).get_my_info().username, "root")
        # To another server urllib3 takes no credential.
        second.configuration.api_key["Authorization"] = credential
        with self.assertRaises(UnauthorizedException):
            UserApi(second).get_my_info()
        self.become("passive", "active")
        with self.assertRaises(ApiException) as refused:
            UserApi(client(credential)).get_my_info()
        self.assertEqual(refused.exception.status, 307)
        self.assertNotIn("location", {name.lower() for name in refused.exception.headers})
        self.assertIn("passive", json.loads(refused.exception.body)["message"])


class Power(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = client(mint("power"))
        cls.addClassCleanup(cls.api.close)
        cls.vms = VmApi(cls.api)

    def one(self, name):
        return self.vms.get_vms({"where": {"name": name}})[0]

    def test_every_operation_is_waited_for(self):
        for call, name, state in [
            (self.vms.shut_down_vm, "db-01", VmStatus.STOPPED),
            (self.vms.poweroff_vm, "db-02", VmStatus.STOPPED),
            (self.vms.restart_vm, "web-01", VmStatus.RUNNING),
            (self.vms.force_restart_vm, "web-02", VmStatus.RUNNING),
            (self.vms.suspend_vm, "lb-01", VmStatus.SUSPENDED),
            (self.vms.resume_vm, "db-12", VmStatus.RUNNING),
        ]:
            with self.subTest(name):
                before = self.one(name)
                begun = call(VmOperateParams(where=VmWhereInput(name=name)))
                self.assertEqual([(task.data.status, task.data.entity_async_status) for task in begun], [(before.status, "UPDATING")])
                wait_tasks([task.task_id for task in begun], self.api, interval=0.1, timeout=60)
                self.assertEqual((self.one(name).status, self.one(name).entity_async_status), (state, None))
        host = HostApi(self.api).get_hosts({"where": {"name": "north-a-node1"}})[0].id
        body = VmStartParams(where=VmWhereInput(name_in=["db-01", "db-02"]), data=VmStartParamsData(host_id=host))
        begun = self.vms.start_vm(body)
        self.assertEqual(len(begun), 2)
        wait_tasks([task.task_id for task in begun], self.api, interval=0.1, timeout=60)
        self.assertEqual([self.one(name).host.id for name in ("db-01", "db-02")], [host, host])

    def test_what_is_refused_is_an_exception_that_says_why(self):
        body = VmOperateParams(where=VmWhereInput(name="monitor-01"))
        begun = self.vms.restart_vm(body)
        with self.assertRaises(ApiException) as refused:
            self.vms.restart_vm(body)
        error = json.loads(refused.exception.body)
        locked = [{"id": begun[0].data.id, "type": "VM"}]
        self.assertEqual((refused.exception.status, error["code"], error["props"]), (400, "ResourceLocked", {"locked_resources": locked}))
        wait_tasks([begun[0].task_id], self.api, interval=0.1, timeout=60)
        with self.assertRaises(ApiException) as refused:
            self.vms.resume_vm(body)
        self.assertEqual(refused.exception.status, 400)
        self.assertIn("monitor-01", json.loads(refused.exception.body)["message"])
        with self.assertRaises(NotFoundException):
            self.vms.resume_vm(VmOperateParams(where=VmWhereInput(name="nobody")))

    def test_tasks_of_others_are_reported_and_waited_for(self):
        tasks = TaskApi(self.api)
        me = UserApi(self.api).get_my_info().id
        made = tasks.create_task([TaskCreationParams(
            user_id=me, description=TaskDescription(en_us="Back up", zh_cn="backup"), resource_mutation="backUp", resource_type="Backup",
        )])
        self.assertEqual((made[0].task_id, made[0].data.status, made[0].data.user.id), (None, "PENDING", me))
        where = TaskWhereInput(id=made[0].data.id)
        changed = tasks.update_task(TaskUpdateParams(where=where, data=TaskUpdateParamsData(status="FAILED", error_message="disk")))
        self.assertEqual([task.data.error_message for task in changed], ["disk"])
        with self.assertRaises(ApiException) as failed:
            wait_tasks([made[0].data.id], self.api, interval=0.1, timeout=60)
        self.assertIn("disk", str(failed.exception.reason))


class Asking(unittest.TestCase):
    """The list language through the model classes, against what Python makes of the same inventory."""

    @classmethod
    def setUpClass(cls):
        cls.api = client(token())
        cls.addClassCleanup(cls.api.close)
        with open(os.environ["INVENTORY"], encoding="utf-8") as file:
            cls.inventory = json.load(file)

    def names(self, where):
        body = GetVmsRequestBody(where=where, order_by=VmOrderByInput.NAME_ASC)
        found = [vm.name for vm in VmApi(self.api).get_vms(body)]
        count = VmApi(self.api).get_vms_connection(GetVmsConnectionRequestBody(where=where))
        self.assertEqual(count.aggregate.count, len(found))
        return found

    def expect(self, where, holds):
        expected = sorted(vm["name"] for vm in self.inventory["vms"] if holds(vm))
        self.assertEqual(self.names(where), expected)
        return expected

    def test_and_or_not_and_their_edges(self):
        large, running = VmWhereInput(vcpu_gte=8), VmWhereInput(status=VmStatus.RUNNING)
        is_large, is_running = lambda vm: vm["vcpu"] >= 8, lambda vm: vm["status"] == "RUNNING"
        for where, holds in [
            (VmWhereInput(_and=[large, running]), lambda vm: is_large(vm) and is_running(vm)),
            (VmWhereInput(_or=[large, running]), lambda vm: is_large(vm) or is_running(vm)),
            (VmWhereInput(_not=[large, running]), lambda vm: not is_large(vm) and not is_running(vm)),
            (VmWhereInput(_or=[large], _not=[VmWhereInput()]), is_large),
            (VmWhereInput(_and=[]), lambda vm: True),
            (VmWhereInput(_or=[]), lambda vm: False),
            (VmWhereInput(id_in=[]), lambda vm: False),
            (VmWhereInput(id_not_in=[]), lambda vm: True),
            ({"vcpu_gt": "7"}, is_large),
        ]:
            with self.subTest(where):
                self.expect(where, holds)

    def test_relations_both_ways(self):
        clusters = {cluster["id"]: cluster for cluster in self.inventory["clusters"]}
        of = lambda vm: clusters.get((vm.get("cluster") or {}).get("id"))
        where = VmWhereInput(cluster=ClusterWhereInput(name="north-a"))
        self.assertTrue(self.expect(where, lambda vm: of(vm) and of(vm)["name"] == "north-a"))
        with_large = {of(vm)["name"] for vm in self.inventory["vms"] if vm["vcpu"] >= 16 and of(vm)}
        self.assertTrue(with_large)
        clusters = ClusterApi(self.api).get_clusters({"where": {"vms_some": {"vcpu_gte": 16}}})
        self.assertEqual({cluster.name for cluster in clusters}, with_large)
        clusters = ClusterApi(self.api).get_clusters({"where": {"vms_none": {"vcpu_gte": 16}}})
        self.assertEqual({cluster.name for cluster in clusters}.intersection(with_large), set())
        labelled = lambda vm: any(label["key"] == "env" for label in vm.get("labels") or [])
        self.expect(VmWhereInput(labels_some={"key": "env"}), labelled)
        self.expect(VmWhereInput(labels_none={"key": "env"}), lambda vm: not labelled(vm))


class Auditing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = client(token())
        cls.addClassCleanup(cls.api.close)
        cls.logs = UserAuditLogApi(cls.api)

    def rows(self, **where):
        return self.logs.get_user_audit_logs({"where": where, "orderBy": "createdAt_ASC"})

    def test_what_was_done_is_told_with_who_and_how_it_ended(self):
        mint("audited")
        row = self.rows(action="createApiKey")[-1]
        me = UserApi(self.api).get_my_info()
        self.assertEqual((row.username, row.user.id, row.status, row.resource_type), ("root", me.id, "SUCCESSED", "ApiKey"))
        self.assertIn("audited", row.message)
        self.assertEqual(row.ip_address, "127.0.0.1")
        self.assertGreaterEqual(row.created_at, row.started_at)
        with self.assertRaises(ApiException):
            login(client(), "root", "not " + PASSWORD)
        self.assertEqual([row.username for row in self.rows(action="login", status="FAILED")], ["root"])
        count = self.logs.get_user_audit_logs_connection({"where": {"action": "createApiKey"}})
        self.assertEqual(count.aggregate.count, len(self.rows(action="createApiKey")))
        self.assertTrue(SystemAuditLogApi(self.api).get_system_audit_logs({}))

    def test_another_systems_row_is_written_and_read_in_both_languages(self):
        me = UserApi(self.api).get_my_info().id
        made = self.logs.create_user_audit_log([UserAuditLogCreationParams(
            user_id=me, action="restore", resource_type="Backup", status="SUCCESSED", ip_address="192.0.2.7",
            message=UserAuditLogMessage(en_us="Restored", zh_cn="\u5df2\u6062\u590d"),
        )])
        self.assertEqual((made[0].task_id, made[0].data.message, made[0].data.ip_address), (None, "Restored", "192.0.2.7"))
        where = {"where": {"id": made[0].data.id}}
        chinese = self.logs.get_user_audit_logs(where, content_language="zh-CN")
        self.assertEqual([row.message for row in chinese], ["\u5df2\u6062\u590d"])


class Policies(unittest.TestCase):
    def test_policies_are_read_and_changed(self):
        api = client(token())
        self.addCleanup(api.close)
        settings = GlobalSettingsApi(api)
        before = settings.get_global_settingses({})
        self.assertEqual([one.auth.access_mode for one in before], ["NONE"])
        changed = settings.update_password_security({"password_complexity": "HIGH", "password_expire_days": 90})
        self.assertEqual((changed.task_id, changed.data.auth.password_complexity, changed.data.auth.password_expire_days), (None, "HIGH", 90))
        changed = settings.update_session_timeout({"session_max_age": 3_600_000})
        self.assertEqual(changed.data.auth.session_max_age, 3_600_000)
        changed = settings.update_access_restriction({"access_mode": "ALLOW", "access_list": ["127.0.0.0/8"]})
        self.assertEqual((changed.data.auth.access_mode, changed.data.auth.access_list), ("ALLOW", ["127.0.0.0/8"]))
        with self.assertRaises(ApiException) as refused:
            settings.update_access_restriction({"access_mode": "DENY", "access_list": ["127.0.0.1"]})
        self.assertEqual(refused.exception.status, 400)
        after = settings.get_global_settingses({})
        self.assertEqual([one.auth.password_complexity for one in after], ["HIGH"])


class FreshService(unittest.TestCase):
    def test_the_first_user_is_made_once(self):
        made = UserApi(client()).create_root_user(RootUserCreationParams(password=PASSWORD))
        self.assertEqual((made.data.username, made.data.role, made.task_id), ("root", "ROOT", None))
        self.assertEqual(UserApi(client(token())).get_my_info().id, made.data.id)
        with self.assertRaises(ApiException) as refused:
            UserApi(client()).create_root_user({"password": "another " + PASSWORD})
        self.assertIn(refused.exception.status, range(400, 500))
        with self.assertRaises(ApiException):
            login(client(), "root", "another " + PASSWORD)
        self.assertEqual(UserApi(client(token())).get_users_connection({}).aggregate.count, 1)


if __name__ == "__main__":
    unittest.main()
