// Speaks for tests/e2e/test_rqlite_js.py through the real rqlite-js: a line of JSON in names a method, a line of JSON out
// says what it gave. Whatever the client library does with hosts, redirects and retries happens in here.
import { createInterface } from 'node:readline'
import rqlite from 'rqlite-js'

const clients = {}

function describe(results) {
  return {
    rows: results.toArray(),
    error: results.hasError() ? results.getFirstError().message : null,
    results: results.getResults().map((result) => (result instanceof Error
      ? { error: result.message }
      : { lastInsertId: result.getLastInsertId(), rowsAffected: result.getRowsAffected(), time: result.getTime() })),
  }
}

const commands = {
  connect({ hosts, options }) {
    clients.data = new rqlite.DataApiClient(hosts, options)
    clients.status = new rqlite.StatusApiClient(hosts, options)
    return {}
  },
  async execute({ sql, options }) { return describe(await clients.data.execute(sql, options)) },
  async query({ sql, options }) { return describe(await clients.data.query(sql, options)) },
  async post({ request }) { return clients.data.fetch({ ...request, httpMethod: 'POST' }) },
  async status() { return clients.status.status() },
  async statusAllHosts() { return clients.status.statusAllHosts() },
  leader() { return { index: clients.data.getLeaderHostIndex(), hosts: clients.data.getHosts() } },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line)
  let answer
  try {
    answer = { value: await commands[command](parameters) }
  } catch (error) {
    answer = { thrown: error.message, status: error.response?.status ?? null, code: error.code ?? null }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
