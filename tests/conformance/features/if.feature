Feature: If

  Scenario: A task whose condition is false is skipped
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: '${ .n > 5 }', set: { big: true } }
        - b: { set: { n: '${ .n }' } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      n: 3
      """
    And a should be skipped

  Scenario: A skipped task passes its input on
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: .no, set: { x: 1 } }
      """
    And given the workflow input is:
      """yaml
      no: false
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      no: false
      """

  Scenario: A task whose condition is true runs
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: .n == 3, set: { yes: 1 } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      yes: 1
      """

  Scenario: A skipped task goes on to the next, not to its own then
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: '${ false }', set: { x: 1 }, then: end }
        - b: { set: { went: on } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      went: on
      """

  Scenario: A block may be skipped whole
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            if: ${ false }
            do:
              - inner: { set: { x: 1 } }
        - b: { set: { y: 2 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      y: 2
      """
    And inner should run 0 times
