Feature: Switch and flow

  Scenario: The first case that holds is taken
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - s:
            switch:
              - one: { when: .n > 1, then: a }
              - two: { when: .n > 2, then: b }
        - a: { set: { took: a }, then: end }
        - b: { set: { took: b } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      took: a
      """

  Scenario: Without a matching case the flow goes on
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - s:
            switch:
              - one: { when: .n > 9, then: b }
        - a: { set: { fell: through }, then: end }
        - b: { set: { took: b } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      fell: through
      """

  Scenario: A case without a condition is the default
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - s:
            switch:
              - one: { when: .n > 9, then: a }
              - other: { then: b }
        - a: { set: { took: a }, then: end }
        - b: { set: { took: b } }
      """
    And given the workflow input is:
      """yaml
      n: 3
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      took: b
      """

  Scenario: A case may continue
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - s:
            switch:
              - all: { then: continue }
        - a: { set: { took: a } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      took: a
      """

  Scenario: A case may end the workflow
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - s:
            switch:
              - all: { then: end }
        - a: { set: { took: a } }
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
    And a should run 0 times

  Scenario: Exit leaves the block only
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - block:
            do:
              - a: { set: { x: 1 }, then: exit }
              - b: { set: { x: 2 } }
        - after: { set: { x: '${ .x }', after: true } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      { x: 1, after: true }
      """
    And b should run 0 times

  Scenario: End within a block ends the whole workflow
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - outer:
            do:
              - inner:
                  do:
                    - a: { set: { x: 1 }, then: end }
                    - b: { set: { x: 2 } }
        - after: { set: { x: 3 } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 1
      """
    And b should run 0 times
    And after should run 0 times

  Scenario: A jump back makes a loop
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - count: { set: { n: '${ .n + 1 }' } }
        - again:
            switch:
              - more: { when: .n < 4, then: count }
              - enough: { then: end }
      """
    And given the workflow input is:
      """yaml
      n: 0
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      n: 4
      """
    And count should run 4 times

  Scenario: A then that names no task is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, then: nowhere }
      """
    Then the definition should be refused at '/do/0/a/then'

  Scenario: Tasks run once each along named thens
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { l: '${ .l + [1] }' }, then: c }
        - b: { set: { l: '${ .l + [2] }' }, then: end }
        - c: { set: { l: '${ .l + [3] }' }, then: b }
      """
    And given the workflow input is:
      """yaml
      l: []
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      l: [1, 3, 2]
      """
    And c should run before b
