// Answers questions about policies: [{policies, trust, principal, action, resource, account, context}] on stdin,
// [{allowed} or {problem}] on stdout. The library knows AWS's actions, resource types and condition keys.

import { text } from 'node:stream/consumers'
import { runSimulation } from '@cloud-copilot/iam-simulate'

async function answer(asked) {
  const found = await runSimulation(
    {
      request: {
        principal: asked.principal,
        action: asked.action,
        resource: { resource: asked.resource, accountId: asked.account },
        contextVariables: asked.context
      },
      identityPolicies: asked.policies.map((policy, number) => ({ name: `policy ${number}`, policy })),
      resourcePolicy: asked.trust,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  if (found.resultType === 'error') return { problem: JSON.stringify(found.errors) }
  const ignored = found.result?.ignoredContextKeys ?? []
  // A refusal must not come of a key that AWS would not have.
  if (ignored.length > 0) return { problem: `${asked.action} has no condition key ${ignored.join(', ')}` }
  return { allowed: found.overallResult === 'Allowed' }
}

const questions = JSON.parse(await text(process.stdin))
process.stdout.write(JSON.stringify(await Promise.all(questions.map(answer))))
