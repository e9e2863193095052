Feature: Timeout

  Scenario: A task that takes too long faults with a timeout
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - w: { wait: { hours: 1 }, timeout: { after: { milliseconds: 100 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
      status: 408
      instance: /do/0/w
      """

  Scenario: A workflow that takes too long faults with a timeout
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      timeout: { after: { milliseconds: 150 } }
      do:
        - w: { wait: { hours: 1 } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
      status: 408
      """

  Scenario: A timeout may stand in use.timeouts
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { timeouts: { short: { after: { milliseconds: 100 } } } }
      do:
        - w: { wait: { hours: 1 }, timeout: short }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 408
      """

  Scenario: The timeout of a block holds for what is in it
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - block:
            timeout: { after: { milliseconds: 100 } }
            do:
              - w: { wait: { hours: 1 } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 408
      instance: /do/0/block
      """
    And w should cancel

  Scenario: A timeout can be caught
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - w: { wait: { hours: 1 }, timeout: { after: PT0.1S } }
            catch:
              errors: { with: { type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout } }
              do:
                - c: { set: { late: true } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      late: true
      """

  Scenario: A task in time is not disturbed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - w: { wait: { milliseconds: 20 }, timeout: { after: { seconds: 20 } } }
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 1
      """

  Scenario: A slow service meets the timeout of its call
    Given the service answers '/slow' with:
      """yaml
      - { delay: 3 }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/slow' }, timeout: { after: { milliseconds: 200 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 408
      instance: /do/0/get
      """

  Scenario: The timeout of a request that may have happened is raised at its time, and can be caught
    Given the service answers '/slow' with:
      """yaml
      - { delay: 3 }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - send: { call: http, with: { method: post, endpoint: 'https://api.example.com/slow', body: {} }, timeout: { after: { milliseconds: 500 } } }
            catch:
              errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout, status: 408 } }
              do:
                - c: { set: { at: '${ $error.instance }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      at: /do/0/t/try/0/send
      """
    And the workflow should take at least 500 milliseconds
    And the service should have been asked '/slow' 1 time
