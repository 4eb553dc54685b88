# Prints what a script consists of, one fact a line: for the checks that need its syntax tree. The script is $env:SCRIPT.
$errors = $null
$ast = [Management.Automation.Language.Parser]::ParseFile($env:SCRIPT, [ref]$null, [ref]$errors)
foreach ($problem in $errors) { "error $($problem.Message)" }
foreach ($node in $ast.FindAll({ $true }, $true)) {
    switch ($node.GetType().Name) {
        'FunctionDefinitionAst' { "function $($node.Name)" }
        'CommandAst' {
            $parameters = @($node.CommandElements | Where-Object { $_ -is [Management.Automation.Language.CommandParameterAst] } | ForEach-Object { $_.ParameterName })
            if ($node.GetCommandName()) { "command $($node.GetCommandName()) $($parameters -join ' ')".TrimEnd() }
        }
        'TypeDefinitionAst' { "newer $_" }
        'TernaryExpressionAst' { "newer $_" }
        'PipelineChainAst' { "newer $_" }
        'BinaryExpressionAst' { if ($node.Operator -eq 'QuestionQuestion') { "newer $($node.Operator)" } }
        'AssignmentStatementAst' { if ($node.Operator -eq 'QuestionQuestionEquals') { "newer $($node.Operator)" } }
        'MemberExpressionAst' { if ($node.NullConditional) { 'newer ?.' } }
        'InvokeMemberExpressionAst' { if ($node.NullConditional) { 'newer ?.' } }
    }
}
# Windows writes a script with a word of this list to its event log, which more than administrators may read.
$check = [scriptblock].GetMethod('CheckSuspiciousContent', [Reflection.BindingFlags]'Static, NonPublic')
if (-not $check) { 'error this engine has no CheckSuspiciousContent' }
else { foreach ($word in $check.Invoke($null, @($ast))) { "suspicious $word" } }
