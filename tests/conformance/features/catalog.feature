Feature: Catalog

  Scenario: A function of the default catalog is called by its name
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render', with: { html: '<p>Hello</p>' } }
      """
    When the workflow is executed
    Then the workflow should complete
    And a should run 1 time

  Scenario: It may be called by its version
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render:1.0.0', with: { html: '<p>Hello</p>' } }
      """
    When the workflow is executed
    Then the workflow should complete
    And a should run 1 time

  Scenario: It may be called by its version and its catalog
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render:1.0.0@default', with: { html: '<p>Hello</p>' } }
      """
    When the workflow is executed
    Then the workflow should complete
    And a should run 1 time

  Scenario: A version that the catalog does not have is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render:2.0.0', with: { html: '<p>Hello</p>' } }
      """
    Then the definition should be refused at '/do/0/a/call'

  Scenario: A version that is none is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render:latest@default', with: { html: '<p>Hello</p>' } }
      """
    Then the definition should be refused at '/do/0/a/call'

  Scenario: A catalog that is not the default is refused by name
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'pdf.render:1.0.0@partner', with: { html: '<p>Hello</p>' } }
      """
    Then the definition should be refused at '/do/0/a/call'

  Scenario: Catalogs of a workflow's own are refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { catalogs: { partner: { endpoint: https://example.com/catalog } } }
      do:
        - a: { set: { x: 1 } }
      """
    Then the definition should be refused at '/use/catalogs'

  Scenario: A function from a URL is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: 'https://example.com/functions/log.yaml', with: { html: '<p>Hello</p>' } }
      """
    Then the definition should be refused at '/do/0/a/call'

  Scenario: An argument that a function does not take is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: pdf.render, with: { html: '<p>Hello</p>', colour: red } }
      """
    Then the definition should be refused at '/do/0/a/with/colour'

  Scenario: An argument of the wrong kind is refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: notify.webhook, with: { url: [https://example.com] } }
      """
    Then the definition should be refused at '/do/0/a/with/url'

  Scenario: An argument that a function needs must be there
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: notify.webhook, with: { payload: {} } }
      """
    Then the definition should be refused at '/do/0/a/with'

  Scenario: Two arguments that exclude each other are refused
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - a: { call: pdf.render, with: { html: '<p>Hello</p>', url: https://example.com } }
      """
    Then the definition should be refused at '/do/0/a/with'
