//! The table of all settings. `docs/settings.md` shows the table. A setting whose name is not in the table is rejected.

/// A row of the table of settings.
#[derive(Debug)]
pub struct Setting {
    /// Name in the settings file; the environment variable is `KEYTOWER_` followed by this name in upper case.
    pub name: &'static str,
    /// Default value, or a description of the default value; empty if the setting has no default.
    pub default: &'static str,
    /// Meaning, unit and range of the setting.
    pub meaning: &'static str,
}

/// All settings, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        default: "127.0.0.1:8080",
        meaning: "address and port to listen on; port 0 takes a free one",
    },
    Setting {
        name: "data_dir",
        default: "./keytower-data",
        meaning: "folder for the SQLite database and the master key; made with mode 0700",
    },
    Setting {
        name: "database_url",
        default: "SQLite in data_dir",
        meaning: "`postgres://user:password@host/database`, or `sqlite:PATH`",
    },
    Setting {
        name: "master_key",
        default: "",
        meaning: "32 bytes as 64 hexadecimal digits or as Base64, that everything secret in the database hangs on; several nodes on one database share it",
    },
    Setting {
        name: "master_key_file",
        default: "master.key in data_dir",
        meaning: "file that holds the master key; made at the first start, mode 0600, when neither this nor master_key is set",
    },
    Setting {
        name: "create_root",
        default: "true",
        meaning: "make the user `root` at the first start; `false` leaves it to `POST /v2/api/create-root-user`, or to GraphQL's `createUser`",
    },
    Setting {
        name: "root_password",
        default: "random, printed once",
        meaning: "password of the user `root` at the first start, 8 characters or more and none of the most common; ignored later",
    },
    Setting {
        name: "password_hash",
        default: "m=19456,t=2,p=1",
        meaning: "what argon2id takes for a password's hash: memory in KiB, passes, lanes; at least `m=47104` with `t=1`, `m=19456` with `t=2`, `m=12288` with `t=3`, `m=9216` with `t=4` or `m=7168` with `t=5`, at most `m=1048576`, `t=10` and `p=4`; older hashes go on working, and are replaced at the next login",
    },
    Setting {
        name: "issuer",
        default: "keytower",
        meaning: "`iss` and `aud` of the tokens; all nodes of one database share it",
    },
    Setting {
        name: "trusted_proxies",
        default: "",
        meaning: "proxies whose `X-Forwarded-For` tells the client's address: addresses, networks and ranges, with commas between",
    },
    Setting {
        name: "token_life",
        default: "12h",
        meaning: "how long a token works, 1s to 3650d; `0` until it is revoked; a portal token of SoftLayer's works for 48h, or less where this is set to less",
    },
    Setting {
        name: "session_idle",
        default: "0",
        meaning: "how long a token works without being used, 1m to 3650d; `0` as long as token_life says",
    },
    Setting {
        name: "step_up_time",
        default: "10m",
        meaning: "for how long a proven second factor lets its user mint keys, give rights, loosen rules, and change passwords, factors and e-mail addresses, 1m to 24h; then GraphQL's `reauthenticate` renews it",
    },
    Setting {
        name: "signing_key_life",
        default: "90d",
        meaning: "how long a signing key signs before the next one takes over, 1h or more; `0` for ever",
    },
    Setting {
        name: "passive",
        default: "false",
        meaning: "`true` makes the node passive: it answers API requests with 307, as long as no `keytower node active` says otherwise",
    },
    Setting {
        name: "active_url",
        default: "",
        meaning: "where the active node is, such as `https://tower-1.example:8443`, for the `Location` of those answers",
    },
    Setting {
        name: "power_time",
        default: "1s",
        meaning: "how long the task of a power operation takes, up to 1h; `0` no longer than it takes to notice it",
    },
    Setting {
        name: "header_timeout",
        default: "8s",
        meaning: "how long a client may take to send the head of a request, 100ms to 60s",
    },
    Setting {
        name: "body_timeout",
        default: "8s",
        meaning: "how long a client may take to send the body of a request, 100ms to 60s",
    },
    Setting {
        name: "shutdown_timeout",
        default: "20s",
        meaning: "how long requests in flight may take to end after SIGTERM, 0 to 10m",
    },
    Setting {
        name: "graphql_introspection",
        default: "true",
        meaning: "`false` refuses `__schema` and `__type`, and leaves GraphiQL without a schema",
    },
    Setting {
        name: "graphql_depth",
        default: "15",
        meaning: "how deep a GraphQL operation may nest fields, 1 to 15; introspection has its own limit",
    },
    Setting {
        name: "graphql_root_fields",
        default: "30",
        meaning: "most fields on the first level of a GraphQL operation, each a list or a change, 1 to 30",
    },
    Setting {
        name: "graphql_fragments",
        default: "20",
        meaning: "most fragment spreads in a GraphQL document, 0 to 20",
    },
    Setting {
        name: "graphql_tokens",
        default: "5000",
        meaning: "most tokens of a GraphQL document, comments included, 100 to 5000",
    },
    Setting {
        name: "graphql_answer_values",
        default: "40000",
        meaning: "most values in a GraphQL answer, 1000 to 40000, which is about a megabyte",
    },
    Setting {
        name: "upstream_url",
        default: "",
        meaning: "`http://` or `https://`, host, port and path of a CloudTower to stand in front of, without `/v2/api`: the routes that keytower does not serve are handed on to it, and the inventory comes from it",
    },
    Setting {
        name: "upstream_username",
        default: "",
        meaning: "local user of the upstream as whom everything is handed on; goes with upstream_password",
    },
    Setting { name: "upstream_password", default: "", meaning: "that user's password" },
    Setting {
        name: "upstream_api_key",
        default: "",
        meaning: "API key of the upstream, in place of user and password: for an upstream with a second factor",
    },
    Setting {
        name: "upstream_timeout",
        default: "30s",
        meaning: "how long the upstream may take to begin its answer, and be silent within it, 100ms to 50s",
    },
    Setting {
        name: "upstream_ca_file",
        default: "public authorities",
        meaning: "file of PEM certificates that are trusted for an `https` upstream in place of the public authorities: other authorities, or the upstream's very own certificate",
    },
    Setting {
        name: "upstream_rules",
        default: "",
        meaning: "what a route takes that is handed on, where the built-in table does not say it or says it otherwise: `ROUTE = ACTION`, more of them behind commas; `credential` in place of an action admits everybody who is logged in",
    },
    Setting {
        name: "smtp_url",
        default: "",
        meaning: "mail server that takes the letters: `smtps://host:port` with TLS from the start, port 465 where none is named, or `smtp://host:port` with STARTTLS, port 587",
    },
    Setting {
        name: "smtp_tls",
        default: "required",
        meaning: "`none` sends without TLS, to a relay on this very machine only: `smtp://localhost`, or a loopback address",
    },
    Setting {
        name: "smtp_username",
        default: "",
        meaning: "user at the mail server, where it asks for one; goes with smtp_password",
    },
    Setting { name: "smtp_password", default: "", meaning: "that user's password" },
    Setting {
        name: "smtp_from",
        default: "",
        meaning: "sender of the letters, such as `keytower@example.com` or `Keys <keytower@example.com>`; smtp_url needs it",
    },
    Setting {
        name: "smtp_ca_file",
        default: "public authorities",
        meaning: "file of PEM certificates of the authorities that are trusted for the mail server in place of the public ones",
    },
    Setting {
        name: "smtp_timeout",
        default: "10s",
        meaning: "how long handing over a letter may take, all in all, 100ms to 60s",
    },
    Setting {
        name: "public_url",
        default: "",
        meaning: "`http://` or `https://`, host, port and path under which people reach this service, for the links in letters",
    },
    Setting {
        name: "softlayer",
        default: "true",
        meaning: "whether SoftLayer's API is served at `/xmlrpc`, `/rest` and `/soap`; `false` answers 404 there",
    },
    Setting {
        name: "softlayer_keys_with_mfa",
        default: "true",
        meaning: "whether API keys of users with a second factor work with SoftLayer's clients; `false` is SoftLayer's own rule for users with an active external binding",
    },
    Setting {
        name: "softlayer_keys_manage_users",
        default: "true",
        meaning: "whether classic keys manage users below their owner and the keys of these users on SoftLayer's APIs, as `slcli user create` and `slcli user apikey` do; `false` requires a portal token for that",
    },
    Setting {
        name: "softlayer_keys_by_ancestors",
        default: "true",
        meaning: "whether users make classic keys for those below them, too; `false` is SoftLayer's rule since 2020",
    },
    Setting { name: "log", default: "info", meaning: "least level to log: error, warn, info, debug, trace" },
    Setting { name: "log_format", default: "text", meaning: "text or json" },
];
