Feature: Wait

  Scenario: A wait lasts at least its duration
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - pause: { wait: { milliseconds: 400 } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the workflow should take at least 400 milliseconds

  Scenario: A wait takes an ISO 8601 duration
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - pause: { wait: PT0.3S }
      """
    When the workflow is executed
    Then the workflow should complete
    And the workflow should take at least 300 milliseconds

  Scenario: A wait passes its input on
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - pause: { wait: { milliseconds: 10 } }
      """
    And given the workflow input is:
      """yaml
      a: 1
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      a: 1
      """

  Scenario: The parts of a duration add up
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - pause: { wait: { seconds: 0, milliseconds: 150 } }
        - again: { wait: { milliseconds: 150 } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the workflow should take at least 300 milliseconds

  Scenario: A waiting run can be cancelled
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - pause: { wait: { hours: 1 } }
        - never: { set: { a: 1 } }
      """
    When the workflow is executed
    Then pause has started
    When the workflow is cancelled
    Then the workflow should cancel
    And pause should cancel
    And never should run 0 times

  Scenario: Waits in branches run side by side
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - both:
            fork:
              branches:
                - one: { wait: { milliseconds: 800 } }
                - two: { wait: { milliseconds: 800 } }
      """
    When the workflow is executed
    Then the workflow should complete
    And the workflow should take at most 1500 milliseconds
