Feature: Functions, secrets and catalogs

  Scenario: A function of use.functions is called by its name
    Given the service answers '/thing' with:
      """yaml
      - { body: { a: 1 } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        functions:
          fetch: { call: http, with: { method: get, endpoint: 'https://api.example.com/thing' } }
      do:
        - a: { call: fetch }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      a: 1
      """

  Scenario: A function is given its arguments
    Given the service answers '/items/7' with:
      """yaml
      - { body: { id: 7 } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        functions:
          fetch: { call: http, with: { method: get, endpoint: 'https://api.example.com/items/{id}' } }
      do:
        - a: { call: fetch, with: { id: 7 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      id: 7
      """

  Scenario: A secret goes into the call and nowhere else
    Given the secret 'token' is:
      """yaml
      a-secret-value
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [token] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Token: '${ $secrets.token }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      fine: true
      """
    And the service should have been asked '/private' 1 time

  Scenario: A secret that was not declared is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: '${ $secrets.token }' } }
      """
    Then the definition should be refused at '/do/0/a/set/x'

  Scenario: A foreign catalog is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'log:1.0.0@https://example.com/catalog' }
      """
    Then the definition should be refused at '/do/0/a/call'

  Scenario: A container is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { run: { container: { image: busybox } } }
      """
    Then the definition should be refused at '/do/0/a/run/container'

  Scenario: A gRPC call is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: grpc, with: { proto: { endpoint: 'file://x.proto' }, service: { name: S, host: localhost }, method: m } }
      """
    Then the definition should be refused at '/do/0/a/call'
