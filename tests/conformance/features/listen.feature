Feature: Listen

  Scenario: One event is heard
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: c.one } } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.one, data: { a: 1 } }
      """
    And the workflow should complete with output:
      """yaml
      [{ a: 1 }]
      """

  Scenario: An event of another type is not heard
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: c.two } } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.other, data: { a: 1 } }
      """
    And the events are published:
      """yaml
      - { type: c.two, data: { a: 2 } }
      """
    And the workflow should complete with output:
      """yaml
      [{ a: 2 }]
      """

  Scenario: Any of several is enough
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { any: [{ with: { type: c.any1 } }, { with: { type: c.any2 } }] }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.any2, data: { a: 2 } }
      """
    And the workflow should complete with output:
      """yaml
      [{ a: 2 }]
      """

  Scenario: All must be heard
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { all: [{ with: { type: c.all1 } }, { with: { type: c.all2 } }] }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.all2, data: 2 }
      """
    And the events are published:
      """yaml
      - { type: c.all1, data: 1 }
      """
    And the workflow should complete
    And hear should complete

  Scenario: Until may be a condition
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to:
                any: [{ with: { type: c.until } }]
                until: '${ length == 2 }'
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.until, data: 1 }
      """
    And the events are published:
      """yaml
      - { type: c.until, data: 2 }
      """
    And the workflow should complete with output:
      """yaml
      [1, 2]
      """

  Scenario: Until may be an event
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to:
                any: [{ with: { type: c.item } }]
                until: { one: { with: { type: c.stop } } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.item, data: 1 }
      """
    And the events are published:
      """yaml
      - { type: c.item, data: 2 }
      """
    And the events are published:
      """yaml
      - { type: c.stop, data: 9 }
      """
    And the workflow should complete with output:
      """yaml
      [1, 2]
      """

  Scenario: An attribute may be a pattern
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: 'c\.pat\..+' } } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.pat.x, data: 5 }
      """
    And the workflow should complete with output:
      """yaml
      [5]
      """

  Scenario: Data may be asked with an expression
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: c.data, data: '${ .n > 3 }' } } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.data, data: { n: 1 } }
      """
    And the events are published:
      """yaml
      - { type: c.data, data: { n: 7 } }
      """
    And the workflow should complete with output:
      """yaml
      [{ n: 7 }]
      """

  Scenario: A correlation takes what is expected
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to:
                one:
                  with: { type: c.corr }
                  correlate: { order: { from: .data.order, expect: '${ .order }' } }
      """
    And given the workflow input is:
      """yaml
      order: a
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.corr, data: { order: b } }
      """
    And the events are published:
      """yaml
      - { type: c.corr, data: { order: a } }
      """
    And the workflow should complete with output:
      """yaml
      [{ order: a }]
      """

  Scenario: Read envelope gives the whole event
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: c.env } } }
              read: envelope
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.env, id: own-env, source: /env, data: { a: 1 } }
      """
    And the workflow output should have a '0.type' property with value:
      """yaml
      c.env
      """
    And the workflow output should have a '0.data' property with value:
      """yaml
      a: 1
      """

  Scenario: For each event its tasks run
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to:
                any: [{ with: { type: c.each } }]
                until: '${ length == 2 }'
            foreach:
              item: event
              do:
                - note: { set: { n: '${ $event.n }' } }
      """
    When the workflow is executed
    Then hear has started
    And the events are published:
      """yaml
      - { type: c.each, data: { n: 1 } }
      """
    And the events are published:
      """yaml
      - { type: c.each, data: { n: 2 } }
      """
    And the workflow should complete
    And note should run 2 times

  Scenario: A workflow hears what another branch emits
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - both:
            fork:
              branches:
                - hear: { listen: { to: { one: { with: { type: c.emitted } } } } }
                - say:
                    do:
                      - first: { wait: { milliseconds: 300 } }
                      - tell: { emit: { event: { with: { source: /me, type: c.emitted, data: { hello: world } } } } }
      """
    When the workflow is executed
    Then the workflow output should have a '0.0' property with value:
      """yaml
      hello: world
      """

  Scenario: A listener may time out
    Given a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - hear:
            listen:
              to: { one: { with: { type: c.never } } }
            timeout: { after: { milliseconds: 200 } }
      """
    When the workflow is executed
    Then hear has started
    And the workflow should fault with error:
      """yaml
      status: 408
      instance: /do/0/hear
      """
