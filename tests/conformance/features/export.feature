Feature: Export

  Scenario: Before the first export there is no context
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: '${ { seen: $context } }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      seen: null
      """

  Scenario: An export does not change what the next task is given
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { as: '${ { kept: 9 } }' } }
        - b: { set: { given: '${ .x }', kept: '${ $context.kept }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      given: 1
      kept: 9
      """

  Scenario: A later export takes the place of the one before
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { as: '${ { one: .x } }' } }
        - b: { set: { y: 2 }, export: { as: '${ { two: .y } }' } }
        - c: { set: '${ $context }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      two: 2
      """

  Scenario: A task that is skipped exports nothing
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { if: '${ false }', set: { x: 1 }, export: { as: '${ { lost: .x } }' } }
        - b: { set: '${ { seen: $context } }' }
      """
    When the workflow is executed
    Then a should be skipped
    And the workflow should complete with output:
      """yaml
      seen: null
      """

  Scenario: An export may count the rounds of a loop
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - each:
            for: { each: n, in: '${ [1, 2, 3] }' }
            do:
              - add: { set: { n: '${ $n }' }, export: { as: '${ { sum: (($context.sum // 0) + .n) } }' } }
        - told: { set: { sum: '${ $context.sum }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      sum: 6
      """

  Scenario: What a block exported outlives the error that is caught around it
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - guarded:
            try:
              - a: { set: { x: 1 }, export: { as: '${ { kept: .x } }' } }
              - b: { raise: { error: { type: 'https://example.com/errors/no', status: 400 } } }
            catch: {}
        - c: { set: { kept: '${ $context.kept }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      kept: 1
      """

  Scenario: An export that cannot be evaluated is an expression error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: text }, export: { as: '${ .x - 1 }' } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
      status: 400
      instance: /do/0/a
      """

  Scenario: A schema may stand beside what it allows
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            set: { x: 1 }
            export:
              as: '${ { kept: .x } }'
              schema: { document: { type: object, required: [kept] } }
        - b: { set: '${ $context }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      kept: 1
      """

  Scenario: A property that an export does not have is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { to: '${ . }' } }
      """
    Then the definition should be refused at '/do/0/a/export/to'
