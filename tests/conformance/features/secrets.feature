Feature: Secrets

  Scenario: A member of a secret may stand within a text
    Given the secret 'login' is:
      """yaml
      { user: ada, key: kept-within-a-text }
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [login] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ "key " + $secrets.login.key }' }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'X-Key' on '/private':
      """yaml
      key kept-within-a-text
      """
    And neither the run nor its history should hold 'kept-within-a-text'

  Scenario: A secret may go through the input of a task
    Given the secret 'passed' is:
      """yaml
      kept-on-its-way
      """
    And the service answers '/private' with:
      """yaml
      - { body: { fine: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [passed] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ .key }' }
            input: { from: '${ { key: $secrets.passed } }' }
      """
    When the workflow is executed
    Then the workflow should complete
    And the service should have been sent the header 'X-Key' on '/private':
      """yaml
      kept-on-its-way
      """
    And neither the run nor its history should hold 'kept-on-its-way'

  Scenario: A secret that comes back is not kept
    Given the secret 'echoed' is:
      """yaml
      kept-though-echoed
      """
    And the service answers '/private' with:
      """yaml
      - { body: { you-said: kept-though-echoed } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [echoed] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ $secrets.echoed }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      you-said: '***'
      """
    And neither the run nor its history should hold 'kept-though-echoed'

  Scenario: A secret that is set is not shown
    Given the secret 'shown' is:
      """yaml
      kept-though-set
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [shown] }
      do:
        - a: { set: { x: '${ $secrets.shown }' } }
      """
    When the workflow is executed
    Then the workflow should complete
    And neither the run nor its history should hold 'kept-though-set'

  Scenario: A secret that is not there is an authorization error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [nobody-stored-this] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ $secrets["nobody-stored-this"] }' }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
      status: 403
      instance: /do/0/a
      """
    And the service should have been asked '/private' 0 times

  Scenario: A secret is not sent to a host that it does not name
    Given the secret 'elsewhere' may be sent to 'partner.example.com':
      """yaml
      kept-for-partners
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [elsewhere] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ $secrets.elsewhere }' }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
      status: 403
      """
    And the service should have been asked '/private' 0 times
    And neither the run nor its history should hold 'kept-for-partners'

  Scenario: A name that use.secrets does not declare is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [one] }
      do:
        - a:
            call: http
            with:
              method: get
              endpoint: https://api.example.com/private
              headers: { X-Key: '${ $secrets.other }' }
      """
    Then the definition should be refused at '/do/0/a/with/headers/X-Key'

  Scenario: The error of a missing secret can be caught
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { secrets: [nobody-stored-that] }
      do:
        - guarded:
            try:
              - a:
                  call: http
                  with:
                    method: get
                    endpoint: https://api.example.com/private
                    headers: { X-Key: '${ $secrets["nobody-stored-that"] }' }
            catch:
              errors: { with: { type: 'https://open-workflow-specification.org/spec/1.0.0/errors/authorization' } }
              do: [ { told: { set: { asked: false } } } ]
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      asked: false
      """
