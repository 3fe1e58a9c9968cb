; The anomaly of Sussman (1973): neither half of the goal can be reached first and then kept.
(define (problem sussman) (:domain BLOCKS)
(:objects A B C)
(:init (ontable A) (ontable B) (on C A) (clear B) (clear C) (handempty))
(:goal (and (on A B) (on B C))))
