Feature: Authentication

  Scenario: Basic names a user
    Given the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { basic: { username: ada, password: lovelace } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Basic YWRhOmxvdmVsYWNl
      """

  Scenario: Basic may come from a secret
    Given the secret 'door' is:
      """yaml
      { username: ada, password: lovelace }
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [door] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { basic: { use: door } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Basic YWRhOmxvdmVsYWNl
      """
    And neither the run nor its history should hold 'YWRhOmxvdmVsYWNl'

  Scenario: Bearer carries a token
    Given the secret 'pass' is:
      """yaml
      kept-as-a-token
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [pass] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { bearer: { token: '${ $secrets.pass }' } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Bearer kept-as-a-token
      """
    And neither the run nor its history should hold 'kept-as-a-token'

  Scenario: A policy may stand in use.authentications
    Given the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { authentications: { door: { bearer: { token: shared } } } }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { use: door }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Bearer shared
      """

  Scenario: Digest answers the challenge
    Given the service answers '/private' with:
      """yaml
      - status: 401
        headers: { www-authenticate: 'Digest realm="vault", nonce="once", qop="auth", algorithm=SHA-256' }
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { digest: { username: ada, password: lovelace } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      fine: true
      """
    And the service should have been asked '/private' 2 times
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Digest (?=.*username="ada")(?=.*nonce="once")(?=.*response="[0-9a-f]{64}").*
      """

  Scenario: A token is asked for and carried
    Given the secret 'client' is:
      """yaml
      kept-by-the-client
      """
    And the service answers '/first/token' with:
      """yaml
      - { body: { access_token: token-1, token_type: bearer, expires_in: 3600 } }
      - { body: { access_token: token-2, token_type: bearer, expires_in: 3600 } }
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [client] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { oauth2: { authority: 'https://api.example.com', endpoints: { token: '/first/token' }, grant: client_credentials, client: { id: me, secret: '${ $secrets.client }' } } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Bearer token-1
      """
    And neither the run nor its history should hold 'kept-by-the-client'

  Scenario: A token that is refused is asked for anew, once
    Given the secret 'client' is:
      """yaml
      kept-by-the-client
      """
    And the service answers '/renewed/token' with:
      """yaml
      - { body: { access_token: token-1, token_type: bearer, expires_in: 3600 } }
      - { body: { access_token: token-2, token_type: bearer, expires_in: 3600 } }
      """
    And the service answers '/private' with:
      """yaml
      - { status: 401 }
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [client] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { oauth2: { authority: 'https://api.example.com', endpoints: { token: '/renewed/token' }, grant: client_credentials, client: { id: me, secret: '${ $secrets.client }' } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      fine: true
      """
    And the service should have been asked '/renewed/token' 2 times
    And the service should have been sent the header 'Authorization' on '/private':
      """yaml
      Bearer token-2
      """

  Scenario: No token is an authentication error
    Given the secret 'client' is:
      """yaml
      kept-by-the-client
      """
    And the service answers '/refusing/token' with:
      """yaml
      - { status: 401, body: { error: invalid_client } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [client] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { oauth2: { authority: 'https://api.example.com', endpoints: { token: '/refusing/token' }, grant: client_credentials, client: { id: me, secret: '${ $secrets.client }' } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/authentication
      status: 401
      instance: /do/0/a
      """
    And the service should have been asked '/private' 0 times

  Scenario: What a call authenticated with is named, not shown
    Given the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { basic: { username: ada, password: lovelace } }
            output: { as: '${ $authorization }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      scheme: Basic
      parameter: '***'
      """

  Scenario: A policy that nobody defined is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { authentications: { door: { bearer: { token: shared } } } }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { use: dor }
      """
    Then the definition should be refused at '/do/0/a/with/endpoint/authentication/use'

  Scenario: Two policies at once are refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            call: http
            with:
              method: get
              endpoint:
                uri: https://api.example.com/private
                authentication: { basic: { username: a, password: b }, bearer: { token: c } }
      """
    Then the definition should be refused at '/do/0/a/with/endpoint/authentication'
