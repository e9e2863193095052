Feature: Retry

  Scenario: A constant backoff repeats until it works
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 50 }, backoff: { constant: {} }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      ok: true
      """
    And the service should have been asked '/flaky' 3 times
    And the workflow should take at least 100 milliseconds

  Scenario: A linear backoff repeats until it works
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 50 }, backoff: { linear: {} }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      ok: true
      """
    And the service should have been asked '/flaky' 3 times
    And the workflow should take at least 100 milliseconds

  Scenario: A exponential backoff repeats until it works
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 50 }, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      ok: true
      """
    And the service should have been asked '/flaky' 3 times
    And the workflow should take at least 100 milliseconds

  Scenario: A limit of attempts ends the retries
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 10 }, limit: { attempt: { count: 2 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 503
      instance: /do/0/t/try/0/get
      """
    And the service should have been asked '/flaky' 3 times

  Scenario: After the last attempt the handler runs
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 10 }, limit: { attempt: { count: 1 } } }
              do:
                - c: { set: { gave: up } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      gave: up
      """
    And the service should have been asked '/flaky' 2 times

  Scenario: A limit of duration ends the retries
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 100 }, limit: { duration: { milliseconds: 350 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 503
      instance: /do/0/t/try/0/get
      """
    And the workflow should take at most 5000 milliseconds

  Scenario: Jitter only adds to the delay
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { delay: { milliseconds: 100 }, jitter: { from: { milliseconds: 10 }, to: { milliseconds: 50 } }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      ok: true
      """
    And the workflow should take at least 200 milliseconds

  Scenario: A retry may be asked for only when
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { when: $error.status == 500, delay: { milliseconds: 10 }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 503
      instance: /do/0/t/try/0/get
      """
    And the service should have been asked '/flaky' 1 time

  Scenario: A retry may be left out exceptWhen
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: { exceptWhen: $error.status == 503, delay: { milliseconds: 10 }, limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 503
      instance: /do/0/t/try/0/get
      """
    And the service should have been asked '/flaky' 1 time

  Scenario: A policy may stand in use.retries
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      use: { retries: { often: { delay: { milliseconds: 10 }, limit: { attempt: { count: 5 } } } } }
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              retry: often
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      ok: true
      """
    And the service should have been asked '/flaky' 3 times
    And get should run 3 times

  Scenario: An error that is not caught is not retried
    Given the service answers '/flaky' with:
      """yaml
      - { status: 503 }
      - { status: 503 }
      - { body: { ok: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - t:
            try:
              - get: { call: http, with: { method: get, endpoint: 'https://api.example.com/flaky' } }
            catch:
              errors: { with: { status: 404 } }
              retry: { limit: { attempt: { count: 5 } } }
      """
    When the workflow is executed
    Then the workflow should fault with error:
      """yaml
      status: 503
      """
    And the service should have been asked '/flaky' 1 time

  Scenario: A poll in a retried block sees the new answer
    Given the service answers '/job' with:
      """yaml
      - { body: { state: running } }
      - { body: { state: running } }
      - { body: { state: done } }
      """
    And the service answers '/notify' with:
      """yaml
      - { body: { sent: true } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - poll:
            try:
              - notify: { call: http, with: { method: put, endpoint: 'https://api.example.com/notify', body: {} } }
              - look: { call: http, with: { method: get, endpoint: 'https://api.example.com/job' } }
              - check: { if: .state != "done", raise: { error: { type: https://example.com/errors/not-done, status: 409, title: Not done } } }
            catch:
              errors: { with: { type: https://example.com/errors/not-done } }
              retry: { delay: { milliseconds: 20 }, limit: { attempt: { count: 10 } } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      state: done
      """
    And the service should have been asked '/job' 3 times
    And the service should have been asked '/notify' 1 time

  Scenario: A task may say that it is done again, or that it is not
    Given the service answers '/read' with:
      """yaml
      - { body: { n: 1 } }
      """
    And the service answers '/write' with:
      """yaml
      - { body: { n: 2 } }
      """
    And a workflow with definition:
      """yaml
      document: {dsl: '1.0.3', namespace: default, name: story, version: '1.0.0'}
      do:
        - block:
            try:
              - read: { call: http, with: { method: get, endpoint: 'https://api.example.com/read' }, metadata: { visapi: { onRetry: remember } } }
              - write: { call: http, with: { method: post, endpoint: 'https://api.example.com/write', body: {} }, metadata: { visapi: { onRetry: repeat } } }
              - fail: { raise: { error: { type: https://example.com/errors/bad, status: 409, title: Bad } } }
            catch:
              retry: { delay: { milliseconds: 20 }, limit: { attempt: { count: 2 } } }
              do:
                - gave: { set: { up: true } }
      """
    When the workflow is executed
    Then the workflow should complete with output:
      """yaml
      up: true
      """
    And the service should have been asked '/read' 1 time
    And the service should have been asked '/write' 3 times
