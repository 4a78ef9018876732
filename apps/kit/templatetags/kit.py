"""The components of the visual language as template tags; a builtin of every template.

Marks (a shape and a word)
  {% icon "agents" %}  {% icon "brk-tripped" size="large" %}      a symbol of static/icons.svg
  {% sign agent.pk %}  {% sign agent.pk large=True %}             the stroke mark of an agent
  {% outcome call.outcome %}  plain=True in dense tables, count=5 for "5 violations" with the word hidden
  {% tier agent.tier %}  {% tier 3 "3 of 4" %}                    bars, number, word; None: not assessed
  {% state agent.state %}                                         disc that fills as the agent goes live
  {% seal cert.expires_at revoked=False long=True %}              whole, due, broken, dashed; days left
  {% breaker agent.breaker_state %}                               Armed, Tripped or On trial (bool or word)
  {% actor_icon entry.actor.kind %}                               human, agent, service
  {% check "passes" %}                                            passes, fails, unknown, na, upcoming
  {% effect call.effect %}                                        verified, failed, unknown; did it happen?
  {% mark "key" "Verified" "mk-good" %}                           any icon and word in ink
  {% agent_link agent.name url agent.pk %}                        sign and name as a link

Text
  {% when moment %}  {% when moment "faint" %}                    <time>; relative under a day
  {{ n|number }}  {{ n|number:2 }}  {{ n|amount }}  {{ share|percent }}  {{ ms|milliseconds }}  {{ digest|hash_groups:2 }}
  {% digest entry.hash 2 %}                                       hash in groups of four, whole in the title
  {% reference %}                                                 id of this request

Controls
  {% button "Certify" kind="primary" icon_name="check" %}         kinds: primary danger stop quiet; small=True;
        href=… makes a link; any other name=value is an attribute: data_open="trip" becomes data-open
  {% icon_button "close" "Dismiss" data_close=True %}             icon alone, with its name
  {% chip "Tier" "Critical" href %}                               filter that removes itself
  {% field form.owner %}  {% field form.note rows=3 %}            label, hint, control, error
  {% form_errors form %}                                          notice above a form that was not saved
  {% tabs "Agent" %}{% tab "Record" url %}{% tab "Chains" url count=18 %}{% endtabs %}
  {% dialog "trip" "Trip the breaker" action=url verb="Trip breaker" danger=True %}…{% enddialog %}
        posts `reason` (required; reason=False leaves it out); opened by data-open="trip"
  {% menu "move" "Move state" %}<a class="opt" href=…>…</a>{% endmenu %}

Blocks
  {% section "History" note="30 days" href=url link="All 148" %}…{% endsection %}
  {% notice "warn" title="Ownership moves on 1 Dec." %}…{% endnotice %}   kinds: info good warn bad
  {% stop "Stopped at 14:06. All tool calls are refused." %}…{% endstop %} details, then <div class="row"> verbs
  {% empty_state "agents" "No agents on record yet" %}<p>…</p>{% button … %}{% endempty_state %}
  {% entry "human" moment reason="Jan moved." %}<b>…</b> did …{% endentry %}   inside <ol class="tl">
        changes=… folds the difference under the sentence
  {% diff changes %}            mapping of field to (before, after)
  {% facts %}{% fact "Owner" %}…{% endfact %}{% endfacts %}
  {% figures %}{% figure "Resolved" "81.4%" "usual 88 to 92%" %}{% endfigures %}

Lists
  {% query_with sort="-tier" %}  {% query_without "tier" 4 %}     this page's address with changes
  {% sort_cell "tier" "Tier" %}  css="num p4" default="-tier"     a <th> that sorts by ?sort=
  {% filter_panel target="#results" %}{% facet "State" "state" options %}{% endfilter_panel %}
        options: apps.kit.ui.parts.Option(value, label, count, mark=safe markup)
        the list stands in an element with that id; [data-announce] inside it is read out after a change
  {% list_search "Search agents" %}                               as-you-type ?q=; stands outside the swapped
        element, and the panel then has keep="sort columns"
  {% filter_button 2 %}                                           opens the panel where it is narrow
  {% pager next=cursor previous=cursor shown="1 to 50" total=412 noun="agents" %}
  {% pick_all %}  {% pick agent.pk agent.name %}                  selection cells; {% bulk %}…{% endbulk %}
  {% skeleton rows=5 columns=4 %}   {% progress 62 100 "Export" %}

Charts (data: apps.kit.ui.charts)
  {% outcome_chart series %}  {% sparkline values "Calls, 14 days" %}  {% band_dots rows "Share of calls" %}
  {% heat_table matrix %}  {% expiry_strip strip %}

Pages extend base.html and fill its blocks
  title  heading  crumbs (<ol class="crumbs">)  docket (<p class="docket"> of <span>s)  verbs (buttons)
  content  dialogs  live (state of a stream, in the top bar)  head (further scripts)
  page replaces the whole head and content, for a record with its sign: <div class="idhead">
Anatomy by class
  list    tabs, then .g.g-filters: filter panel; <div> with .tools, then <section id="results"> with .tools
          (.chips, count), .tbl > table.t (p2 to p5 on cells drop columns by room; .num), bulk, pager
  record  .g.g-side: two <div class="stack flow"> of sections; .dims, .figs, .tl, .lede for the purpose
  form    .g.g-2 or .stack.measure of fields, then <div class="row"> with one primary button
  feed    <ol class="feed"> of <li class="is-violation" data-row> with .at .out .agent .call .why .ms .lnk;
          <li class="gist"> for what was summarised; class live, is-paused, is-lost for the connection
Script hooks (static/js/app.js)
  data-open="dialog id"  data-close  data-row (j and k walk, x picks)  data-pause (p)  data-key="e|a|r|m"
  data-announce (read out after htmx changed it)  data-focus (focused after htmx put it in place)
  event "toast" on the document: {text, icon}; from Python: apps.kit.ui.toasts.toast(response, text)
  A refused htmx request lands in #problem, or in the open dialog's [data-problem]
"""

from __future__ import annotations

from django.template import Library

from apps.kit.ui.tags import blocks, charts, controls, lists, marks

register = Library()
for part in (marks, controls, lists, blocks, charts):
    register.tags.update(part.register.tags)
    register.filters.update(part.register.filters)
