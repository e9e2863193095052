Feature: Extensions

  Scenario: Tasks may run before a task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        extensions:
          - x:
              extend: set
              before:
                - first: { wait: { milliseconds: 5 } }
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 1
      """
    And first should run 1 time

  Scenario: Tasks may run after a task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        extensions:
          - x:
              extend: set
              after:
                - last: { wait: { milliseconds: 5 } }
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 1
      """
    And last should run 1 time

  Scenario: An extension may apply only when
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        extensions:
          - x:
              extend: all
              when: $task.name == "b"
              before:
                - first: { wait: { milliseconds: 5 } }
      do:
        - a: { set: { x: 1 } }
        - b: { set: { y: 2 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      y: 2
      """
    And first should run 1 time

  Scenario: An extension of another kind of task does not apply
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        extensions:
          - x:
              extend: wait
              before:
                - first: { set: { z: 1 } }
      do:
        - a: { set: { x: 1 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 1
      """
    And first should run 0 times

  Scenario: A task before may take the place of the task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use:
        extensions:
          - x:
              extend: call
              before:
                - mock: { set: { mocked: true }, then: exit }
      do:
        - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/never' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      mocked: true
      """
    And the service should have been asked '/never' 0 times
