//! A script that fails, made as small as it can be and still fail.

use super::script::{Ending, Fate, Payload, Plan, Script, Serve, Start};

/// Takes away what it can, one thing after the other, until nothing more goes.
pub(crate) fn shrink(mut script: Script, fails: impl Fn(&Script) -> bool) -> Script {
    while let Some(smaller) = smaller(&script).into_iter().find(|smaller| fails(smaller)) {
        script = smaller;
    }
    script
}

/// All that say a little less. Each is simpler in one respect, so there is an end to it.
fn smaller(script: &Script) -> Vec<Script> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Script)| {
        let mut smaller = script.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    for n in 0..script.exchanges.len() {
        add(&|script| {
            script.exchanges.remove(n);
        });
    }
    for n in 0..script.tricks.len() {
        add(&|script| {
            script.tricks.retain({
                let mut at = 0..;
                move |_| at.next() != Some(n)
            })
        });
    }
    for n in 0..script.keys.len() {
        add(&|script| {
            script.keys.remove(n);
        });
    }
    for (n, plan) in script.exchanges.iter().enumerate() {
        for simpler in simpler(plan) {
            add(&|script| script.exchanges[n] = simpler.clone());
        }
    }
    if script.setting.coding.is_some() || script.setting.deflate.is_some() {
        add(&|script| (script.setting.coding, script.setting.deflate) = (None, None));
    }
    if script.setting.signed {
        add(&|script| script.setting.signed = false);
    }
    if script.setting.dedupe {
        add(&|script| script.setting.dedupe = false);
    }
    if script.setting.has_document() {
        add(&|script| script.setting.payload = Payload::Loose);
    }
    if script.setting.max_reconnects.is_some() {
        add(&|script| script.setting.max_reconnects = None);
    }
    let first = match script.setting.start {
        Start::Now => 0,
        Start::Cursor(number) | Start::Since(number) => number,
    };
    if script.setting.entries > first + 2 {
        add(&|script| script.setting.entries -= 1);
    }
    all
}

fn simpler(plan: &Plan) -> Vec<Plan> {
    let calm = Plan::calm();
    let mut all = Vec::new();
    let mut add = |simpler: Plan, is: bool| {
        if is {
            all.push(simpler);
        }
    };
    add(Plan { fate: Fate::Good, ..plan.clone() }, plan.fate != Fate::Good);
    add(Plan { serve: Serve::Honest, ..plan.clone() }, plan.serve != Serve::Honest);
    add(Plan { delay: calm.delay, ..plan.clone() }, plan.delay != calm.delay);
    add(Plan { tells: true, ..plan.clone() }, !plan.tells);
    add(Plan { piece: calm.piece, ..plan.clone() }, plan.piece != calm.piece);
    add(Plan { gap: 0, ..plan.clone() }, plan.gap != 0);
    add(Plan { retry: None, ..plan.clone() }, plan.retry.is_some());
    add(Plan { cut: None, ..plan.clone() }, plan.cut.is_some());
    if let Some((bytes, ending)) = plan.cut {
        let broken = Some((bytes, Ending::Broken));
        add(Plan { cut: broken, ..plan.clone() }, ending != Ending::Broken);
        let sooner = Some((bytes / 2, ending));
        add(Plan { cut: sooner, ..plan.clone() }, bytes > 0);
    }
    all
}
