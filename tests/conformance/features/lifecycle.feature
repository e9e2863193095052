Feature: Lifecycle events

  Scenario: A run that completes is told twice, with its output at the end
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.completed
      """
    And the lifecycle event 'workflow.started' should say when in 'startedAt'
    And the lifecycle event 'workflow.completed' should say when in 'completedAt'
    And the lifecycle event 'workflow.completed' should say:
      """yaml
      output: { x: 1 }
      """

  Scenario: The start names the definition that runs
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '2.1.0'}
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the lifecycle event 'workflow.started' should say:
      """yaml
      definition: { name: story, version: '2.1.0' }
      """

  Scenario: Every event names its run and its workflow
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 } }
        - b: { do: [{ c: { set: { y: 2 } } }] }
      """
    When the workflow is executed
    Then each lifecycle event should name the run and its workflow
    And the lifecycle events should come in the order of the history

  Scenario: A task is created, started and completed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the lifecycle events of a should be:
      """yaml
      - task.created
      - task.started
      - task.completed
      """
    And the lifecycle event 'task.completed' should say:
      """yaml
      task: /do/0/a
      output: { x: 1 }
      """

  Scenario: A task that is skipped is told as created and as nothing more
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: '${ false }', set: { x: 1 } }
        - b: { set: { y: 2 } }
      """
    When the workflow is executed
    Then the lifecycle events of a should be:
      """yaml
      - task.created
      """
    And the lifecycle events should come in the order of the history

  Scenario: A run that ends with an error tells the error, and so does its task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { raise: { error: { type: 'https://example.com/sold-out', status: 409, title: Sold out } } }
      """
    When the workflow is executed
    Then the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.faulted
      """
    And the lifecycle event 'workflow.faulted' should say when in 'faultedAt'
    And the lifecycle event 'workflow.faulted' should say:
      """yaml
      error: { type: 'https://example.com/sold-out', status: 409, title: Sold out, instance: /do/0/a }
      """
    And the lifecycle event 'task.faulted' should say:
      """yaml
      task: /do/0/a
      error: { status: 409 }
      """

  Scenario: A task that is tried again tells that it is retried
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - attempt:
            try:
              - ask: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              errors: { with: { status: 503 } }
              retry: { delay: { milliseconds: 10 }, backoff: { constant: {} }, limit: { attempt: { count: 3 } } }
      """
    And the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 200, body: { fine: true } }
      """
    When the workflow is executed
    Then the lifecycle event 'task.retried' should say when in 'retriedAt'
    And the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.completed
      """

  Scenario: A run that is cancelled tells so, and of the task that it was at
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - rest: { wait: { hours: 1 } }
      """
    When the workflow is executed
    And rest has started
    And the workflow is cancelled
    Then the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.cancelled
      """
    And the lifecycle event 'workflow.cancelled' should say when in 'cancelledAt'
    And the lifecycle events of rest should be:
      """yaml
      - task.created
      - task.started
      - task.cancelled
      """

  Scenario: A run that is suspended and resumed tells both
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear: { listen: { to: { one: { with: { type: com.example.lifecycle.later } } } } }
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    And hear has started
    And the workflow is suspended
    And the workflow has become suspended
    And the workflow is resumed
    And the events are published:
      """yaml
      - { type: com.example.lifecycle.later }
      """
    Then the workflow should complete with output:
      """yaml
      x: 1
      """
    And the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.suspended
      - workflow.resumed
      - workflow.completed
      """
    And the lifecycle event 'workflow.suspended' should say when in 'suspendedAt'
    And the lifecycle event 'workflow.resumed' should say when in 'resumedAt'

  Scenario: A run that correlates events tells when it begins to, and with which keys it has them
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to:
                one:
                  with: { type: com.example.lifecycle.heard }
                  correlate: { order: { from: .data.order } }
      """
    When the workflow is executed
    And hear has started
    And the events are published:
      """yaml
      - { type: com.example.lifecycle.heard, data: { order: o-7 } }
      """
    Then the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.correlation-started
      - workflow.correlation-completed
      - workflow.completed
      """
    And the lifecycle event 'workflow.correlation-completed' should say:
      """yaml
      correlationKeys: { order: o-7 }
      """

  Scenario: A run that listens without keys correlates nothing
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: com.example.lifecycle.plain } } }
      """
    When the workflow is executed
    And hear has started
    And the events are published:
      """yaml
      - { type: com.example.lifecycle.plain }
      """
    Then the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.completed
      """

  Scenario: The branch that loses a race is told as cancelled
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - race:
            fork:
              compete: true
              branches:
                - quick: { wait: { milliseconds: 200 } }
                - slow: { wait: { hours: 1 } }
      """
    When the workflow is executed
    Then the lifecycle events of slow should be:
      """yaml
      - task.created
      - task.started
      - task.cancelled
      """
    And the lifecycle events of quick should be:
      """yaml
      - task.created
      - task.started
      - task.completed
      """

  Scenario: An error that is caught is told of the task and not of the run
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - attempt:
            try:
              - bad: { raise: { error: { type: 'https://example.com/bad', status: 400 } } }
            catch:
              do:
                - mend: { set: { mended: true } }
      """
    When the workflow is executed
    Then the lifecycle events of bad should be:
      """yaml
      - task.created
      - task.started
      - task.faulted
      """
    And the lifecycle events of the workflow should be:
      """yaml
      - workflow.started
      - workflow.completed
      """
