Feature: Input, output, export

  Scenario: The workflow input is transformed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      input: { from: '${ .order }' }
      do:
        - a: { set: { id: '${ .id }' } }
      """
    And given the workflow input is:
      """yaml
      order: { id: 7 }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      id: 7
      """

  Scenario: The workflow output is transformed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1, y: 2 } }
      output: { as: .y }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      2
      """

  Scenario: An object may shape an output
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            set: { x: 1 }
            output: { as: { wrapped: '${ .x }', fixed: text } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      { wrapped: 1, fixed: text }
      """

  Scenario: An export becomes the context
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { as: '${ { seen: .x } }' } }
        - b: { set: { y: 2 } }
        - c: { set: { z: '${ $context.seen }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      z: 1
      """

  Scenario: An export may add to the context
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { as: '${ { one: .x } }' } }
        - b: { set: { y: 2 }, export: { as: '${ $context + { two: .y } }' } }
        - c: { set: '${ $context }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      { one: 1, two: 2 }
      """

  Scenario: An export sees the transformed output
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 5 }, output: { as: .x }, export: { as: '${ { got: . } }' } }
        - b: { set: '${ $context }' }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      got: 5
      """

  Scenario: Input from sees the context
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, export: { as: '${ { k: 9 } }' } }
        - b: { input: { from: '${ $context.k }' }, set: { v: '${ . }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      v: 9
      """

  Scenario: The raw input of the workflow stays at hand
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 } }
        - b: { set: { first: '${ $workflow.input.n }' } }
      """
    And given the workflow input is:
      """yaml
      n: 4
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      first: 4
      """

  Scenario: A task knows its name and place
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - here: { set: { name: '${ $task.name }', place: '${ $task.reference }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      { name: here, place: /do/0/here }
      """

  Scenario: The workflow knows its definition
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { name: '${ $workflow.definition.document.name }', version: '${ $workflow.definition.document.version }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      { name: story, version: 1.0.0 }
      """

  Scenario: Metadata is at hand and changes nothing
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { metadata: { team: blue }, set: { team: '${ $task.definition.metadata.team }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      team: blue
      """

  Scenario: A set may be an expression as a whole
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: '${ .list | map(. * 2) }' }
      """
    And given the workflow input is:
      """yaml
      list: [1, 2]
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      [2, 4]
      """

  Scenario: Expressions that arrive in data are text
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { said: '${ .text }' } }
      """
    And given the workflow input is:
      """yaml
      text: '${ 1 + 1 }'
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      said: '${ 1 + 1 }'
      """
