namespace DistOpt.Core.Functions;

/// <summary>What a node of an expression does with its one or two operands.</summary>
internal enum ExpressionOperation
{
    Constant,
    Variable,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Min,
    Max,
    Sin,
    Cos,
    Tan,
    Exp,
    Log,
    Sqrt,
    Abs,
    Tanh,
}

/// <summary>One node of an expression; its operands stand before it.</summary>
/// <param name="First">Place of the first operand; of a variable: its number.</param>
/// <param name="Second">Place of the second operand, where there is one.</param>
/// <param name="Value">Of a constant.</param>
/// <param name="Varies">Whether a variable is in it: only then it has a derivative.</param>
internal readonly record struct ExpressionNode(ExpressionOperation Operation, int First, int Second, double Value, bool Varies);
