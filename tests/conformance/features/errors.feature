Feature: Errors

  Scenario: A raised error keeps its members
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { raise: { error: { type: https://example.com/errors/bad, status: 409, title: Conflict, detail: Twice } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      { type: https://example.com/errors/bad, status: 409, title: Conflict, detail: Twice, instance: /do/0/r }
      """

  Scenario: A raised error may be computed
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - r: { raise: { error: { type: https://example.com/errors/bad, status: 400, title: Bad, detail: '${ "no " + .what }' } } }
      """
    And given the workflow input is:
      """yaml
      what: way
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      detail: no way
      """

  Scenario: A raised error may stand in use.errors
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { errors: { gone: { type: https://example.com/errors/gone, status: 410, title: Gone } } }
      do:
        - r: { raise: { error: gone } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      { status: 410, title: Gone }
      """

  Scenario: The place of an error is that of the innermost task
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a:
            do:
              - b:
                  do:
                    - c: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      instance: /do/0/a/do/0/b/do/0/c
      """

  Scenario: Only errors that match are caught
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              errors: { with: { status: 404 } }
              do:
                - c: { set: { caught: true } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 500
      """
    And c should run 0 times

  Scenario: A catch may be narrowed by when
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              when: $error.status == 500
              do:
                - c: { set: { caught: true } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      caught: true
      """

  Scenario: A catch may be widened away by exceptWhen
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              exceptWhen: $error.status == 500
              do:
                - c: { set: { caught: true } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 500
      """

  Scenario: The caught error may be given a name
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              as: oops
              do:
                - c: { set: { title: '${ $oops.title }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      title: Bad
      """

  Scenario: A catch without tasks completes the try
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch: {}
        - after: { set: { went: on } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      went: on
      """

  Scenario: An error in a handler is an error of the try
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              do:
                - c: { raise: { error: { type: https://example.com/errors/worse, status: 501 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      { status: 501, instance: /do/0/t/catch/do/0/c }
      """

  Scenario: An outer try catches what the inner one lets pass
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - outer:
            try:
              - inner:
                  try:
                    - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
                  catch:
                    errors: { with: { status: 404 } }
            catch:
              do:
                - c: { set: { where: '${ $error.instance }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      where: /do/0/outer/try/0/inner/try/0/r
      """

  Scenario: A status outside 2xx is a communication error with that status
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/missing' } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
      status: 404
      instance: /do/0/get
      """

  Scenario: An expression that fails is an expression error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { set: { x: '${ .text + 1 }' } }
      """
    And given the workflow input is:
      """yaml
      text: a
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
      instance: /do/0/a
      """

  Scenario: In loose mode an expression that fails is its own text
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      evaluate: { mode: loose }
      do:
        - a: { set: { x: '${ .text + 1 }' } }
      """
    And given the workflow input is:
      """yaml
      text: a
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      x: '${ .text + 1 }'
      """

  Scenario: A then after a caught error is that of the try
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/bad, status: 500, title: Bad } } }
            catch:
              do:
                - c: { set: { caught: true } }
            then: last
        - skipped: { set: { no: 1 } }
        - last: { set: { caught: '${ .caught }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      caught: true
      """
    And skipped should run 0 times

  Scenario: An expression that does not end is an error that can be caught
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - endless: { set: { x: '${ last(range(1e12)) }' } }
            catch:
              errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/expression, status: 400 } }
              do:
                - c: { set: { at: '${ $error.instance }' } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      at: /do/0/t/try/0/endless
      """

  Scenario: A type on another path is another error
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - r: { raise: { error: { type: https://example.com/errors/timeout, status: 408, title: Late } } }
            catch:
              errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout } }
              do:
                - c: { set: { caught: true } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      { type: https://example.com/errors/timeout, status: 408 }
      """
