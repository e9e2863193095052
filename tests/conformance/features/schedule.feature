Feature: Schedule

  Scenario: Every starts runs at intervals
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { every: { seconds: 1 } }
      do:
        - a: { set: { x: 1 } }
      """
    When 2 runs have been started by the schedule
    And the schedule is paused
    Then a fire of the schedule should have been started

  Scenario: A scheduled run is given the input of its schedule
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { input: { kind: nightly } } } }
      schedule: { every: { seconds: 1 } }
      do:
        - a: { set: { kind: '${ .kind }' } }
      """
    When a run has been started by the schedule
    And the schedule is paused
    Then the workflow should complete with output:
      """yaml
      kind: nightly
      """

  Scenario: Every counts on while a run takes its time
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { every: { seconds: 1 } }
      do:
        - w: { wait: { hours: 1 } }
      """
    When 2 runs have been started by the schedule
    Then the schedule is paused

  Scenario: Overlap skip leaves out what falls into a run
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { overlap: skip } } }
      schedule: { every: { seconds: 1 } }
      do:
        - w: { wait: { hours: 1 } }
      """
    When a run has been started by the schedule
    Then a fire of the schedule should have been skipped
    And the schedule is paused
    And the schedule should have started 1 run in all

  Scenario: Overlap cancel-previous ends the run before
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { overlap: cancel-previous } } }
      schedule: { every: { seconds: 1 } }
      do:
        - w: { wait: { hours: 1 } }
      """
    When a run has been started by the schedule
    And 2 runs have been started by the schedule
    And the schedule is paused
    Then the workflow should cancel

  Scenario: After starts a run a while after the one before ended
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { after: { milliseconds: 200 } }
      do:
        - w: { wait: { milliseconds: 300 } }
      """
    When 3 runs have been started by the schedule
    Then the schedule is paused
    And each run should have begun after the one before it ended

  Scenario: Cron follows the clock of its time zone
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { timezone: Europe/Berlin } } }
      schedule: { cron: '30 3 * * *' }
      do:
        - a: { set: { x: 1 } }
      """
    Then the schedule should fire next at '03:30' in 'Europe/Berlin'

  Scenario: Cron without a time zone is in UTC
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { cron: '30 3 * * *' }
      do:
        - a: { set: { x: 1 } }
      """
    Then the schedule should fire next at '03:30' in 'UTC'

  Scenario: A schedule starts a run when it is told to
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { cron: '0 0 1 1 *' }
      do:
        - a: { set: { x: 1 } }
      """
    When the schedule is triggered
    And a run has been started by the schedule
    Then the workflow should complete with output:
      """yaml
      x: 1
      """

  Scenario: A schedule may begin paused
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { paused: true } } }
      schedule: { every: { seconds: 1 } }
      do:
        - a: { set: { x: 1 } }
      """
    Then the schedule should have no next time
    When the schedule is resumed
    And a run has been started by the schedule
    Then the schedule is paused

  Scenario: An event starts a run with itself as input
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { on: { one: { with: { type: own.schedule.low, data: '${ .bpm < 50 }' } } } }
      do:
        - a: { set: { bpm: '${ $workflow.input[0].data.bpm }' } }
      """
    When the events are published until the schedule starts a run:
      """yaml
      - { type: own.schedule.low, data: { bpm: 90 } }
      - { type: own.schedule.low, data: { bpm: 40 } }
      """
    Then the workflow should complete with output:
      """yaml
      bpm: 40
      """

  Scenario: All events must come before a run starts
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { on: { all: [ { with: { type: own.schedule.paid } }, { with: { type: own.schedule.packed } } ] } }
      do:
        - a: { set: { types: '${ [.[].type] | sort }' } }
      """
    When the events are published until the schedule starts a run:
      """yaml
      - { type: own.schedule.paid }
      - { type: own.schedule.packed }
      """
    Then the workflow should complete with output:
      """yaml
      types: [own.schedule.packed, own.schedule.paid]
      """

  Scenario: A time that is none is refused
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
      schedule: { cron: '61 3 * * *' }
      do:
        - a: { set: { x: 1 } }
      """
    Then the definition should be refused at '/schedule/cron'

  Scenario: A time zone that nobody knows is refused
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { timezone: Europe/Atlantis } } }
      schedule: { cron: '0 3 * * *' }
      do:
        - a: { set: { x: 1 } }
      """
    Then the definition should be refused at '/document/metadata/visapi/schedule/timezone'

  Scenario: A way to overlap that nobody knows is refused
    Given a workflow with definition:
      """yaml
      document:
        dsl: '1.0.3'
        namespace: default
        name: story
        version: '1.0.0'
        metadata: { visapi: { schedule: { overlap: skp } } }
      schedule: { every: { seconds: 1 } }
      do:
        - a: { set: { x: 1 } }
      """
    Then the definition should be refused at '/document/metadata/visapi/schedule/overlap'
