Feature: Schemas

  Scenario: A task input that its schema refuses is a validation error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { input: { schema: { format: json, document: { type: array } } }, set: { x: 1 } }
      """
    And given the workflow input is:
      """yaml
      a: 1
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
      status: 400
      instance: /do/0/a
      """

  Scenario: A task input is checked before it is transformed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            input: { from: .n, schema: { format: json, document: { type: object, required: [n] } } }
            set: { x: '${ . }' }
      """
    And given the workflow input is:
      """yaml
      n: 2
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: 2
      """

  Scenario: A task output that its schema refuses is a validation error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 }, output: { schema: { format: json, document: { type: string } } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
      status: 400
      instance: /do/0/a
      """

  Scenario: A task output is checked after it is transformed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            set: { x: 1 }
            output: { as: .x, schema: { format: json, document: { type: integer } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      1
      """

  Scenario: An export that its schema refuses is a validation error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            set: { x: 1 }
            export: { as: .x, schema: { format: json, document: { type: object } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
      status: 400
      instance: /do/0/a
      """

  Scenario: A workflow output that its schema refuses is a validation error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: 1 } }
      output: { schema: { format: json, document: { type: string } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
      status: 400
      """

  Scenario: A validation error can be caught
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - a: { input: { schema: { format: json, document: { type: array } } }, set: { x: 1 } }
            catch:
              errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/validation } }
              do:
                - b: { set: { caught: '${ $error.status }' } }
      """
    And given the workflow input is:
      """yaml
      a: 1
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      caught: 400
      """
