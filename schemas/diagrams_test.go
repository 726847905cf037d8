package schemas

const poolDiagram = `stateDiagram-v2
    [*] --> Empty
    Empty --> Open: sell / opened
    Open --> Open: sell / increased
    Open --> Recovering: DX buy / recovery_started, dx_bought
    Recovering --> Recovering: DX buy / dx_bought
    Recovering --> Empty: third DX buy / closed dx_ladder_complete
    Recovering --> Open: sell / replaced
    Open --> Empty: S2 buy / closed s2_dip_buy
    Open --> Empty: S2 buy of a new trade / closed s2_entry_new_trade
    Open --> Open: stale write / reverted, restored
    Open --> Open: hand edit / adjusted`

const blockDiagram = `stateDiagram-v2
    [*] --> Free
    Free --> Blocked: failure / set
    Blocked --> Blocked: failure / refreshed
    Blocked --> Free: success / cleared, success_observed
    Blocked --> Orphaned: success after an S1-only failure / cleared s1, orphaned s2
    Orphaned --> Free: by hand / cleared manual
    Blocked --> Free: by hand / cleared manual
    Blocked --> [*]: row deleted / deleted
    Free --> [*]: row deleted / deleted`
