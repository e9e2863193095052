"""The providers, by name. A new one is a file here, a line in this table and a word in
`contracts.hooks.Provider`.
"""

from collections.abc import Mapping

from visapi_common.contracts.hooks import Provider
from visapi_gateway.hooks.rules.providers import generic, github, shopify, slack, standard, stripe, whatsapp
from visapi_gateway.hooks.rules.scheme import ProviderRules

PROVIDERS: Mapping[Provider, ProviderRules] = {
    "github": github.RULES,
    "stripe": stripe.RULES,
    "slack": slack.RULES,
    "shopify": shopify.RULES,
    "standard-webhooks": standard.RULES,
    "whatsapp": whatsapp.RULES,
    "hmac": generic.HMAC,
    "basic": generic.BASIC,
    "none": generic.NONE,
}
