// Mounts GraphiQL on the page of index.html. Everything it loads comes from this server.
(function () {
  'use strict';

  // An empty Authorization header would be a wrong credential; left empty, it is not sent at all.
  function withoutEmptyHeaders(headers) {
    var kept = {};
    Object.keys(headers || {}).forEach(function (name) {
      if (headers[name] !== null && String(headers[name]).trim() !== '') {
        kept[name] = headers[name];
      }
    });
    return kept;
  }

  var fetcher = GraphiQL.createFetcher({
    url: '/api/',
    enableIncrementalDelivery: false,
    fetch: function (url, options) {
      return window.fetch(
        url,
        Object.assign({}, options, { headers: withoutEmptyHeaders(options.headers) }),
      );
    },
  });

  // GraphiQL writes its history (headers included, whatever shouldPersistHeaders says), queries and
  // variables to localStorage. Those hold tokens, keys and passwords, so they stay in memory and
  // only the look of the page is kept.
  var KEPT = [
    'graphiql:theme',
    'graphiql:docExplorerFlex',
    'graphiql:editorFlex',
    'graphiql:secondaryEditorFlex',
    'graphiql:visiblePlugin',
  ];
  var memory = new Map();

  function local() {
    try {
      return window.localStorage;
    } catch (error) {
      return null; // storage is switched off in this browser
    }
  }

  var storage = {
    getItem: function (key) {
      if (memory.has(key)) {
        return memory.get(key);
      }
      return KEPT.includes(key) && local() ? local().getItem(key) : null;
    },
    setItem: function (key, value) {
      memory.set(key, String(value));
      if (KEPT.includes(key) && local()) {
        local().setItem(key, value);
      }
    },
    removeItem: function (key) {
      memory.delete(key);
      if (KEPT.includes(key) && local()) {
        local().removeItem(key);
      }
    },
    clear: function () {
      memory.clear();
      if (local()) {
        KEPT.forEach(function (key) {
          local().removeItem(key);
        });
      }
    },
    get length() {
      return memory.size;
    },
  };

  var defaultQuery = [
    '# Put a login token or an API key in the',
    '# Headers editor below:',
    '#',
    '#   {"Authorization": "<token or key>"}',
    '#',
    '# To get a token:',
    '#',
    '#   mutation Login {',
    '#     login(data: {',
    '#       username: "root"',
    '#       password: "..."',
    '#       source: LOCAL',
    '#     }) { token }',
    '#   }',
    '#',
    '# Queries and headers are forgotten when',
    '# the page is closed or loaded again.',
    '',
    'query FirstVms {',
    '  vms(first: 5) {',
    '    id',
    '    name',
    '    status',
    '    cluster {',
    '      name',
    '    }',
    '  }',
    '}',
    '',
  ].join('\n');

  var h = React.createElement;
  ReactDOM.createRoot(document.getElementById('graphiql')).render(
    h(
      GraphiQL,
      {
        fetcher: fetcher,
        storage: storage,
        defaultQuery: defaultQuery,
        defaultHeaders: '{"Authorization": ""}',
        defaultEditorToolsVisibility: 'headers',
        isHeadersEditorEnabled: true,
        shouldPersistHeaders: false,
      },
      h(GraphiQL.Logo, null, 'keytower'),
    ),
  );
})();
