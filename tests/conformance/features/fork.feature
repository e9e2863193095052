Feature: Fork

  Scenario: Branches give their outputs in their order
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - f:
            fork:
              branches:
                - slow:
                    do:
                      - w: { wait: { milliseconds: 200 } }
                      - v: { set: { who: slow } }
                - fast: { set: { who: fast } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      [{ who: slow }, { who: fast }]
      """

  Scenario: Competing branches give the first output
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - f:
            fork:
              compete: true
              branches:
                - slow: { wait: { hours: 1 } }
                - fast: { set: { who: fast } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      who: fast
      """
    And slow should cancel

  Scenario: Every branch is given the input of the fork
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - f:
            fork:
              branches:
                - a: { set: { a: '${ .n }' } }
                - b: { set: { b: '${ .n + 1 }' } }
      """
    And given the workflow input is:
      """yaml
      n: 1
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      [{ a: 1 }, { b: 2 }]
      """

  Scenario: An error in a branch faults the fork and cancels the others
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - f:
            fork:
              branches:
                - waiting: { wait: { hours: 1 } }
                - failing: { raise: { error: { type: https://example.com/errors/bad, status: 418 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      { status: 418, instance: /do/0/f/fork/branches/1/failing }
      """
    And waiting should cancel

  Scenario: An error in a branch can be caught around the fork
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - f:
                  fork:
                    branches:
                      - a: { raise: { error: { type: https://example.com/errors/bad, status: 418 } } }
                      - b: { set: { x: 1 } }
            catch:
              do:
                - c: { set: { status: '${ $error.status }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      status: 418
      """
