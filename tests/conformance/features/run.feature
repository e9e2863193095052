Feature: Run another workflow

  Scenario: A child gives its output
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { set: { doubled: '${ .n * 2 }' } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { run: { workflow: { namespace: default, name: child, version: '1.0.0', input: { n: '${ .n }' } } } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      doubled: 6
      """

  Scenario: A child that is not awaited leaves the input as it is
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { set: { doubled: '${ .n * 2 }' } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { run: { workflow: { namespace: default, name: child, version: '1.0.0', input: { n: '${ .n }' } }, await: false } }
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

  Scenario: The version may be the latest
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { set: { doubled: '${ .n * 2 }' } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { run: { workflow: { namespace: default, name: child, version: latest, input: { n: 4 } } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      doubled: 8
      """

  Scenario: An error of a child is an error of the task
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { raise: { error: { type: https://example.com/errors/bad, status: 409 } } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { run: { workflow: { namespace: default, name: child, version: '1.0.0', input: { n: '${ .n }' } } } }
      """
    And given the workflow input is:
      """yaml
      n: 1
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 409
      """

  Scenario: An error of a child can be caught
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { raise: { error: { type: https://example.com/errors/bad, status: 409 } } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { run: { workflow: { namespace: default, name: child, version: '1.0.0' } } }
            catch:
              do:
                - c: { set: { status: '${ $error.status }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      status: 409
      """

  Scenario: The output of a child is transformed as any other
    Given another workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: child, version: '1.0.0'}
      do:
        - a: { set: { doubled: '${ .n * 2 }' } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r:
            run: { workflow: { namespace: default, name: child, version: '1.0.0', input: { n: 1 } } }
            output: { as: .doubled }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      2
      """
