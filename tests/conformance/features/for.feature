Feature: For

  Scenario: Each iteration sees what the one before gave
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: .list }
            do:
              - add: { set: { list: '${ .list }', sum: '${ .sum + $x }' } }
      """
    And given the workflow input is:
      """yaml
      { list: [1, 2, 3], sum: 0 }
      """
    When the workflow is executed
    Then the workflow output should have a 'sum' property with value:
      """yaml
      6
      """

  Scenario: The item is called item and its place index
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { in: '${ .list }' }
            do:
              - add: { set: { list: '${ .list }', last: '${ [$item, $index] }' } }
      """
    And given the workflow input is:
      """yaml
      list: [a, b]
      """
    When the workflow is executed
    Then the workflow output should have a 'last' property with value:
      """yaml
      [b, 1]
      """

  Scenario: The place may be given a name
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ .list }', at: place }
            do:
              - add: { set: { list: '${ .list }', seen: '${ (.seen // []) + [$place] }' } }
      """
    And given the workflow input is:
      """yaml
      list: [a, b, c]
      """
    When the workflow is executed
    Then the workflow output should have a 'seen' property with value:
      """yaml
      [0, 1, 2]
      """

  Scenario: While ends a loop before an iteration
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ .list }' }
            while: .n < 2
            do:
              - add: { set: { list: '${ .list }', n: '${ .n + 1 }' } }
      """
    And given the workflow input is:
      """yaml
      { list: [1, 2, 3, 4], n: 0 }
      """
    When the workflow is executed
    Then the workflow output should have a 'n' property with value:
      """yaml
      2
      """
    And add should run 2 times

  Scenario: A loop over nothing passes its input on
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ .list }' }
            do:
              - add: { set: { never: true } }
      """
    And given the workflow input is:
      """yaml
      list: []
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      list: []
      """
    And add should run 0 times

  Scenario: Loops may be nested
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - rows:
            for: { each: r, in: '${ $workflow.input.rows }' }
            do:
              - cells:
                  for: { each: c, in: '${ $r }' }
                  do:
                    - add: { set: { seen: '${ (.seen // []) + [$c] }' } }
      """
    And given the workflow input is:
      """yaml
      rows: [[1, 2], [3]]
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      seen: [1, 2, 3]
      """

  Scenario: A loop may go over an array that is written out
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ [4, 5] }' }
            do:
              - add: { set: { sum: '${ (.sum // 0) + $x }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      sum: 9
      """

  Scenario: Exit within a loop ends the iteration
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ [1, 2] }' }
            do:
              - a: { set: { n: '${ (.n // 0) + $x }' }, then: exit }
              - b: { set: { n: 100 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      n: 3
      """
    And b should run 0 times

  Scenario: What is no array cannot be looped over
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ .n }' }
            do:
              - a: { set: { x: 1 } }
      """
    And given the workflow input is:
      """yaml
      n: text
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      instance: /do/0/loop
      """

  Scenario: An error in an iteration names the task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - loop:
            for: { each: x, in: '${ [1] }' }
            do:
              - bad: { raise: { error: { type: https://example.com/errors/bad, status: 400 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      instance: /do/0/loop/do/0/bad
      """
